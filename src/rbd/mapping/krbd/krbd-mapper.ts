/** The kernel's own rbd client: mapped by the rbd program, believed only from sysfs. */
import { release } from 'node:os';
import path from 'node:path';
import { waitForDevice } from '../../../host/device/block-device.js';
import { pollUntil } from '../../../model/time-limit.js';
import type { Exec, ExecResult } from '../../../host/process/exec.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { imageSpec } from '../../../model/volume-id.js';
import { runToAnswer } from '../../../host/process/run-to-answer.js';
import { blockSizeBytes } from '../../../host/device/kernel-attribute.js';
import { cephTimeouts, clientArguments, withKeyFile } from '../ceph-client.js';
import type { ClusterDemands } from './cluster-demands.js';
import { krbdOptions, type KrbdExtras } from './krbd-options.js';
import { checkDemands, checkKrbdRequest, whyNotKrbd } from './krbd-preflight.js';
import { refreshKrbd } from './krbd-refresh.js';
import { findKrbdDevice, isImage, krbdLimit, readKrbdDevices, type KrbdDevice } from './krbd-sysfs.js';
import { unmapKrbd } from './krbd-unmap.js';
import { locationName, requestedLocation } from '../location-name.js';
import { byAddress } from '../../resolve-monitors.js';
import type { ImageLocation, MappedBy, Mapper, MapRequest, Mapping } from '../mapper.js';
import { explainRbd, lastWords, saysEvicted } from '../rbd-messages.js';
import { KERNEL_ROOTS, type KernelRoots } from '../roots.js';
import { KeyedMutex } from '../keyed-mutex.js';

/** devtmpfs makes the node before the map returns; a /dev that is not the host's never gets it, ms. */
const NODE_MS = 5_000;
/** What adopting or undoing a mapping may take after its own time is over, ms. */
const UNDO_MS = 5_000;

type WaitForNode = (path: string, number: string, deadline: Deadline) => Promise<void>;

export interface KrbdMapperOptions {
  readonly exec: Exec;
  /** For key files that live as long as one `rbd map`; a tmpfs. */
  readonly runtimeDir?: string;
  readonly roots?: KernelRoots;
  readonly kernelRelease?: string;
  /** What the clusters ask of their clients; not there: nobody is asked. */
  readonly demands?: Pick<ClusterDemands, 'of'>;
  /** Resolves when the node `path` is the device `number` (major:minor). */
  readonly waitForNode?: WaitForNode;
}

export class KrbdMapper implements Mapper {
  readonly name = 'krbd';
  readonly #exec: Exec;
  readonly #keyDir: string;
  readonly #roots: KernelRoots;
  readonly #kernelRelease: string;
  readonly #demands: Pick<ClusterDemands, 'of'> | undefined;
  readonly #waitForNode: WaitForNode;
  readonly #mutex = new KeyedMutex();

  constructor(options: KrbdMapperOptions) {
    this.#exec = options.exec;
    this.#keyDir = path.join(options.runtimeDir ?? '/run/berth', 'keys');
    this.#roots = options.roots ?? KERNEL_ROOTS;
    this.#kernelRelease = options.kernelRelease ?? release();
    this.#demands = options.demands;
    this.#waitForNode = options.waitForNode ?? waitForDevice;
  }

  whyNot(): Promise<string | undefined> {
    return whyNotKrbd(this.#exec, this.#roots.sys);
  }

  limit(): Promise<number> {
    return Promise.resolve(krbdLimit(this.#roots.sys, this.#roots.proc));
  }

  find(location: ImageLocation): Promise<Mapping | undefined> {
    const device = this.#device(location);
    return Promise.resolve(device === undefined ? undefined : mappingOf(device));
  }

  list(): Promise<readonly Mapping[]> {
    return Promise.resolve(readKrbdDevices(this.#roots.sys).filter(isImage).map(mappingOf));
  }

  async map(request: MapRequest, deadline: Deadline): Promise<Mapping> {
    const location = requestedLocation(request);
    return this.#mutex.run(locationName(location), deadline, async () => {
      // A device that is there is asked only when it may be used; nothing else needs the image.
      const checked = this.#device(location) === undefined ? await this.#check(request, deadline) : undefined;
      await request.mayOpen;
      const present = this.#device(location);
      if (present !== undefined && (await this.#isAlive(present, request, deadline)))
        return this.#usable(present, deadline);
      const { v2Only } = checked ?? (await this.#check(request, deadline));
      try {
        await this.#runMap(request, v2Only, deadline);
      } catch (error) {
        // Failed, killed or late, and the kernel may have mapped nevertheless (2 of 17 kills did): adopted then.
        const device = this.#device(location);
        if (device === undefined) throw error;
        return this.#usable(device, Deadline.after(UNDO_MS));
      }
      const device = this.#device(location);
      if (device !== undefined) return this.#usable(device, deadline);
      throw this.#mapError(location, 'rbd map succeeded and sysfs shows no device');
    });
  }

  async unmap(mapping: Mapping, deadline: Deadline): Promise<void> {
    await this.#mutex.run(locationName(mapping.location), deadline, () =>
      unmapKrbd(this.#exec, this.#roots, mapping, deadline),
    );
  }

  clientOf(mapping: Mapping): Promise<MappedBy | undefined> {
    const device = this.#device(mapping.location);
    if (device === undefined || `/dev/rbd${device.id}` !== mapping.device) return Promise.resolve(undefined);
    return Promise.resolve({ address: bareAddress(device.clientAddress), client: device.client ?? '' });
  }

  /**
   * The kernel fails all its I/O and takes it away although it is open: mounts on it answer EIO until they are
   * unmounted.
   */
  async cutOff(mapping: Mapping, deadline: Deadline): Promise<void> {
    const { device, location } = mapping;
    await this.#mutex.run(locationName(location), deadline, async () => {
      if ((await this.find(location))?.device !== device) return;
      const args = ['unmap', '--options', 'noudev,force', device];
      const result = await runToAnswer(this.#exec, 'rbd', args, { deadline, env: cephTimeouts(deadline) });
      if (result.exitCode === 0 || (await this.find(location)) === undefined) return;
      throw berthError('BERTH_UNMAP_FAILED', { device, image: imageSpec(location), why: lastWords(result) });
    });
  }

  async resized(mapping: Mapping, sizeBytes: bigint, deadline: Deadline): Promise<void> {
    const name = path.basename(mapping.device);
    const shows = (): Promise<true | undefined> => {
      const size = blockSizeBytes(this.#roots.sys, name);
      return Promise.resolve(size !== undefined && size >= sizeBytes ? true : undefined);
    };
    if (await shows()) return;
    // The kernel watches the header and knows already as a rule; where a notice did not arrive this makes it read the
    // header.
    if ((await refreshKrbd(this.#exec, this.#roots.sys, name.replace(/^rbd/, ''), deadline)) === 'evicted') {
      throw berthError('BERTH_CLIENT_EVICTED', { cluster: mapping.location.fsid });
    }
    await pollUntil(shows, `waiting for ${mapping.device} to have ${sizeBytes} bytes`, deadline);
  }

  #device(location: ImageLocation): KrbdDevice | undefined {
    return findKrbdDevice(this.#roots.sys, location);
  }

  /** Can this kernel map it? And how it is to reach the monitors. Errors of {@link checkKrbdRequest} and demands. */
  async #check(request: MapRequest, deadline: Deadline): Promise<{ readonly v2Only: boolean }> {
    await checkKrbdRequest(this.#exec, this.#roots.sys, this.#kernelRelease, request);
    const demands = await this.#demands?.of(request.image.access, deadline);
    if (demands !== undefined) checkDemands(demands, this.#kernelRelease);
    return { v2Only: demands?.v2Only === true };
  }

  async #runMap(request: MapRequest, v2Only: boolean, deadline: Deadline): Promise<void> {
    const access = await byAddress(request.image.access);
    const asked = { ...request, image: { ...request.image, access } };
    await withKeyFile(this.#keyDir, access.key, async (keyFile) => {
      const ask = (more: readonly string[]) => this.#askMap(asked, keyFile, { v2Only, more }, deadline);
      const first = await ask([]);
      // The kernel has one client for all mappings that are alike. Once it is on the blocklist, nothing new can be
      // mapped with it before the last of the old ones has gone; a client of its own is let in.
      const result = saysEvicted(first) ? await ask(['noshare']) : first;
      if (result.exitCode !== 0) throw explainRbd(result, request, this.name);
    });
  }

  #askMap(request: MapRequest, keyFile: string, extras: KrbdExtras, deadline: Deadline): Promise<ExecResult> {
    const { access, pool, namespace, image } = request.image;
    const args = [
      ...clientArguments(access, keyFile),
      'map',
      ...['--pool', pool],
      ...(namespace === '' ? [] : ['--namespace', namespace]),
      ...['--image', image],
      ...(request.readOnly ? ['--read-only'] : []),
      ...['--options', krbdOptions(request, access.monitors, extras)],
    ];
    return runToAnswer(this.#exec, 'rbd', args, { deadline, env: cephTimeouts(deadline) });
  }

  /**
   * False where the mapping was one of a client that the cluster has thrown out, and is undone now;
   * BERTH_CLIENT_EVICTED where somebody still uses it.
   */
  async #isAlive(device: KrbdDevice, request: MapRequest, deadline: Deadline): Promise<boolean> {
    if ((await refreshKrbd(this.#exec, this.#roots.sys, device.id, deadline)) === 'refreshed') return true;
    try {
      await unmapKrbd(this.#exec, this.#roots, mappingOf(device), deadline);
      return false;
    } catch (error) {
      if (!isBerthError(error, 'BERTH_UNMAP_BUSY')) throw error;
      throw berthError('BERTH_CLIENT_EVICTED', { cluster: request.image.access.cluster }, error);
    }
  }

  /** The mapping once its node is there; where it does not come, the mapping is undone, for nobody could use it. */
  async #usable(device: KrbdDevice, deadline: Deadline): Promise<Mapping> {
    const mapping = mappingOf(device);
    const node = path.join(this.#roots.dev, `rbd${device.id}`);
    try {
      await this.#waitForNode(node, `${device.major}:${device.minor}`, deadline.within(NODE_MS));
      return mapping;
    } catch (error) {
      if (!isBerthError(error)) throw error;
      const undone = await this.#undo(mapping);
      throw this.#mapError(
        device.location,
        `${node} did not become its device (is this the host's /dev?); ${undone}`,
        error,
      );
    }
  }

  /** For an error text: whether the mapping could be undone. */
  async #undo(mapping: Mapping): Promise<string> {
    try {
      await unmapKrbd(this.#exec, this.#roots, mapping, Deadline.after(UNDO_MS));
      return 'unmapped again';
    } catch (error) {
      if (!isBerthError(error)) throw error;
      return `still mapped: ${error.message}`;
    }
  }

  #mapError(location: ImageLocation, why: string, cause?: unknown) {
    return berthError('BERTH_MAP_FAILED', { image: imageSpec(location), mapper: this.name, why }, cause);
  }
}

/** Kernels show the address as the cluster does, some with its messenger in front. */
const bareAddress = (address: string): string => address.replace(/^v\d:/, '');

const mappingOf = (device: KrbdDevice): Mapping => ({
  mapper: 'krbd',
  location: device.location,
  device: `/dev/rbd${device.id}`,
  readOnly: device.readOnly,
});
