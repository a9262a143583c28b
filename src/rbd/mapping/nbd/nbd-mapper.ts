/**
 * rbd-nbd: librbd in a daemon for each image behind a kernel nbd device; every feature of RBD, at the price of that
 * daemon.
 */
import { release } from 'node:os';
import path from 'node:path';
import { pollUntil } from '../../../model/time-limit.js';
import type { Exec } from '../../../host/process/exec.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { imageSpec } from '../../../model/volume-id.js';
import { blockSizeBytes } from '../../../host/device/kernel-attribute.js';
import { lastingUsers, usersOfDead } from '../device-users.js';
import { missingProgram } from '../../../host/process/find-program.js';
import { whyNotModule } from '../kernel-module.js';
import { locationName, requestedLocation, sameLocation } from '../location-name.js';
import type { ImageLocation, Mapper, MapRequest, Mapping } from '../mapper.js';
import { nbdKernel, type NbdKernel } from './nbd-kernel.js';
import { isNbdInUse, nbdLimit, readNbdDevices, type NbdDevice } from './nbd-sysfs.js';
import type { ListedNbd } from './rbd-nbd-messages.js';
import { lastWords, type RbdRefusal } from '../rbd-messages.js';
import { nbdMapError, RbdNbdProgram } from './rbd-nbd-program.js';
import { KERNEL_ROOTS, type KernelRoots } from '../roots.js';
import { KeyedMutex } from '../keyed-mutex.js';

/** Devices that the module makes if it is us who load it; its own default is 16. */
const DEVICES = 128;
/** A daemon that can tell the kernel of a new size does so in a fraction of this, ms. */
const TOLD_MS = 1_000;
/** Finding a mapping that was made although its time was over may take this, ms. */
const ADOPT_MS = 2_000;
/** rbd-nbd searches for a free device and then takes it: two of them must not search at once. */
const MAPPING = 'rbd-nbd map';

export interface NbdMapperOptions {
  readonly exec: Exec;
  /** For key files that live as long as one `rbd-nbd map`; a tmpfs. */
  readonly runtimeDir?: string;
  readonly roots?: KernelRoots;
  readonly kernel?: NbdKernel;
  readonly kernelRelease?: string;
}

export class NbdMapper implements Mapper {
  readonly name = 'nbd';
  readonly #exec: Exec;
  readonly #program: RbdNbdProgram;
  readonly #roots: KernelRoots;
  readonly #kernel: NbdKernel;
  readonly #mutex = new KeyedMutex();

  constructor(options: NbdMapperOptions) {
    const { exec, runtimeDir = '/run/berth', roots = KERNEL_ROOTS, kernel, kernelRelease = release() } = options;
    this.#exec = exec;
    this.#program = new RbdNbdProgram(exec, path.join(runtimeDir, 'keys'), kernelRelease);
    this.#roots = roots;
    this.#kernel = kernel ?? nbdKernel(exec);
  }

  async whyNot(): Promise<string | undefined> {
    const missing = missingProgram('rbd-nbd', 'rbd');
    if (missing !== undefined) return missing;
    return whyNotModule(this.#exec, 'nbd', path.join(this.#roots.sys, 'module/nbd'), [`nbds_max=${DEVICES}`]);
  }

  limit(): Promise<number> {
    return Promise.resolve(nbdLimit(this.#roots.sys));
  }

  async find(location: ImageLocation, deadline: Deadline): Promise<Mapping | undefined> {
    return (await this.list(deadline)).find((mapping) => sameLocation(mapping.location, location));
  }

  async list(deadline: Deadline): Promise<readonly Mapping[]> {
    const devices = await readNbdDevices(this.#roots.sys, this.#roots.proc);
    const listed = devices.some((device) => device.location === undefined)
      ? await this.#program.listMapped(deadline)
      : [];
    return devices.map((device) => mappingOf(device, listed)).filter((mapping) => mapping !== undefined);
  }

  async map(request: MapRequest, deadline: Deadline): Promise<Mapping> {
    const location = requestedLocation(request);
    // Before the search: a cluster that is silent would keep all others waiting.
    await request.mayOpen;
    // First the image, so that nobody unmaps it meanwhile, then the search for a free device.
    return this.#mutex.run(locationName(location), deadline, () =>
      this.#mutex.run(MAPPING, deadline, () => this.#mapOnce(location, request, deadline)),
    );
  }

  async #mapOnce(location: ImageLocation, request: MapRequest, deadline: Deadline): Promise<Mapping> {
    const present = await this.find(location, deadline);
    if (present !== undefined) return this.#served(present, request, deadline);
    const why = await this.whyNot();
    if (why !== undefined) throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: this.name, why });
    try {
      await this.#program.map(request, deadline);
    } catch (error) {
      // Killed or late, and yet mapped: adopted.
      const adopted = await this.find(location, Deadline.after(ADOPT_MS));
      if (adopted !== undefined) return adopted;
      throw error;
    }
    const found = await this.find(location, deadline);
    if (found !== undefined) return found;
    throw nbdMapError(location, 'rbd-nbd map succeeded and sysfs shows no device');
  }

  async unmap(mapping: Mapping, deadline: Deadline): Promise<void> {
    await this.#mutex.run(locationName(mapping.location), deadline, async () => {
      const { device, location } = mapping;
      const name = path.basename(device);
      const image = imageSpec(location);
      if ((await this.find(location, deadline))?.device !== device) return;
      const found = await this.#device(mapping);
      // rbd-nbd disconnects a mounted device without a word, and what was not written yet is gone.
      const server = found?.server;
      const who = await (server === undefined
        ? usersOfDead(device, this.#roots, deadline)
        : lastingUsers(device, this.#roots, deadline, server));
      if (who !== undefined) throw berthError('BERTH_UNMAP_BUSY', { device, image, who });
      const gone = () => Promise.resolve(isNbdInUse(this.#roots.sys, name) ? undefined : true);
      const refusal = await this.#disconnect(device, found, deadline);
      if (refusal !== undefined && !(await gone())) {
        throw berthError('BERTH_UNMAP_FAILED', { device, image, why: lastWords(refusal) });
      }
      await pollUntil(gone, `waiting for ${device} to be free`, deadline);
    });
  }

  /** rbd-nbd disconnects a device that is open, too: what its users had not written fails. */
  async cutOff(mapping: Mapping, deadline: Deadline): Promise<void> {
    const { device, location } = mapping;
    await this.#mutex.run(locationName(location), deadline, async () => {
      if ((await this.find(location, deadline))?.device !== device) return;
      const refusal = await this.#disconnect(device, await this.#device(mapping), deadline);
      if (refusal === undefined || !isNbdInUse(this.#roots.sys, path.basename(device))) return;
      throw berthError('BERTH_UNMAP_FAILED', { device, image: imageSpec(location), why: lastWords(refusal) });
    });
  }

  async whyUnserved(mapping: Mapping): Promise<string | undefined> {
    const device = await this.#device(mapping);
    return device !== undefined && device.server === undefined ? 'its rbd-nbd has died' : undefined;
  }

  /** Only a device with a cookie gets a new daemon, and is kept waiting for it. */
  async whyAwaitsServer(mapping: Mapping): Promise<string | undefined> {
    return (await this.#device(mapping))?.cookie === '' ? undefined : this.whyUnserved(mapping);
  }

  async serverOf(mapping: Mapping): Promise<number | undefined> {
    return (await this.#device(mapping))?.server;
  }

  /** Undefined, or what rbd-nbd said. */
  async #disconnect(device: string, found: NbdDevice | undefined, deadline: Deadline): Promise<RbdRefusal | undefined> {
    if (found !== undefined && found.server === undefined) {
      // rbd-nbd knows devices by their daemons: one without its own is not mapped for it, and would stay for
      // ever.
      await this.#kernel.disconnect(found, deadline);
      return undefined;
    }
    return this.#program.unmap(device, deadline);
  }

  async resized(mapping: Mapping, sizeBytes: bigint, deadline: Deadline): Promise<void> {
    const { device } = mapping;
    const shows = (): Promise<true | undefined> => {
      const size = blockSizeBytes(this.#roots.sys, path.basename(device));
      return Promise.resolve(size !== undefined && size >= sizeBytes ? true : undefined);
    };
    const what = `waiting for ${device} to have ${sizeBytes} bytes`;
    try {
      // The daemon watches the image and tells the kernel; as a rule there is nothing to do but to see it.
      await pollUntil(shows, what, deadline.within(TOLD_MS));
    } catch (error) {
      if (!isBerthError(error, 'BERTH_DEADLINE') || deadline.expired) throw error;
      // Before 17.2.8 and 18.2.4 it tells without its own cookie and is refused (tracker.ceph.com/issues/64139).
      const found = await this.#device(mapping);
      if (found !== undefined) await this.#kernel.setSize(found, sizeBytes, deadline);
      await pollUntil(shows, what, deadline);
    }
  }

  /** A new daemon for a device that has none. */
  async #attach(mapping: Mapping, request: MapRequest, deadline: Deadline): Promise<void> {
    const cookie = (await this.#device(mapping))?.cookie ?? '';
    if (cookie === '') {
      throw nbdMapError(mapping.location, `the rbd-nbd behind ${mapping.device} has died; unmap it first`);
    }
    await this.#program.attach(mapping, cookie, request, deadline);
  }

  async #device(mapping: Mapping): Promise<NbdDevice | undefined> {
    const devices = await readNbdDevices(this.#roots.sys, this.#roots.proc);
    return devices.find(({ name }) => name === path.basename(mapping.device));
  }

  /**
   * The mapping with somebody who serves it: where the daemon has died, a new one goes on with what the kernel kept
   * back.
   */
  async #served(mapping: Mapping, request: MapRequest, deadline: Deadline): Promise<Mapping> {
    if ((await this.#device(mapping))?.server === undefined) await this.#attach(mapping, request, deadline);
    return mapping;
  }
}

/** Undefined for a snapshot and for an nbd device that is not rbd-nbd's. */
function mappingOf(device: NbdDevice, listed: readonly ListedNbd[]): Mapping | undefined {
  const node = `/dev/${device.name}`;
  const { readOnly } = device;
  if (device.location !== undefined) return { mapper: 'nbd', location: device.location, device: node, readOnly };
  const entry = listed.find((one) => one.device === node && (one.snapshot === '' || one.snapshot === '-'));
  if (entry === undefined) return undefined;
  const { pool, namespace, image } = entry;
  return { mapper: 'nbd', location: { fsid: device.fsid ?? '', pool, namespace, image }, device: node, readOnly };
}
