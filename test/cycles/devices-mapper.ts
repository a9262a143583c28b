/** A mapper over block devices that are there already: an image that is new to it gets the next one, for good. */
import { locationName, requestedLocation } from '../../src/rbd/mapping/location-name.js';
import type { ImageLocation, MapRequest, MappedBy, Mapper, Mapping } from '../../src/rbd/mapping/mapper.js';

const CLIENT: MappedBy = { address: '10.0.0.1:0/1', client: 'client.4711' };

export class DevicesMapper implements Mapper {
  /** The one that no real kernel has. */
  readonly name = 'loop';
  readonly #free: string[];
  readonly #devices = new Map<string, string>();
  readonly #mapped = new Map<string, Mapping>();

  constructor(devices: readonly string[]) {
    this.#free = [...devices];
  }

  whyNot(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  limit(): Promise<number> {
    return Promise.resolve(this.#free.length + this.#devices.size);
  }

  find(location: ImageLocation): Promise<Mapping | undefined> {
    return Promise.resolve(this.#mapped.get(locationName(location)));
  }

  list(): Promise<readonly Mapping[]> {
    return Promise.resolve([...this.#mapped.values()]);
  }

  map(request: MapRequest): Promise<Mapping> {
    const location = requestedLocation(request);
    const name = locationName(location);
    const device = this.#devices.get(name) ?? this.#free.shift();
    if (device === undefined) return Promise.reject(new Error('no device is left'));
    this.#devices.set(name, device);
    const mapping: Mapping = { mapper: this.name, location, device, readOnly: request.readOnly };
    this.#mapped.set(name, mapping);
    return Promise.resolve(mapping);
  }

  unmap({ location }: Mapping): Promise<void> {
    this.#mapped.delete(locationName(location));
    return Promise.resolve();
  }

  clientOf(): Promise<MappedBy> {
    return Promise.resolve(CLIENT);
  }

  cutOff(): Promise<void> {
    return Promise.reject(new Error('nobody fences it'));
  }

  resized(): Promise<void> {
    return Promise.resolve();
  }
}
