/**
 * rbd-nbd: librbd in a daemon for each image behind a kernel nbd device; every feature of RBD, at the price of that
 * daemon.
 */
import path from 'node:path';
import { pollUntil } from '../../../model/time-limit.js';
import type { Exec } from '../../../host/process/exec.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError, type BerthError } from '../../../model/errors.js';
import { imageSpec, type ImageSpec } from '../../../model/volume-id.js';
import { runToAnswer } from '../../../host/process/run-to-answer.js';
import { blockSizeBytes } from '../../../host/device/kernel-attribute.js';
import { cephTimeouts, clientArguments, withKeyFile } from '../ceph-client.js';
import { lastingUsers, usersOfDead } from '../device-users.js';
import { missingProgram } from '../../../host/process/find-program.js';
import { whyNotModule } from '../kernel-module.js';
import { locationName, requestedLocation, sameLocation } from '../location-name.js';
import type { ImageLocation, Mapper, MapRequest, Mapping } from '../mapper.js';
import { nbdKernel, type NbdKernel } from './nbd-kernel.js';
import { isNbdInUse, nbdLimit, readNbdDevices, type NbdDevice } from './nbd-sysfs.js';
import { abilities, explainRbdNbd, parseListMapped, type ListedNbd, type NbdAbilities } from './rbd-nbd-messages.js';
import { explainRbd, lastWords, type RbdRefusal } from '../rbd-messages.js';
import { KERNEL_ROOTS, type KernelRoots } from '../roots.js';
import { KeyedMutex } from '../keyed-mutex.js';

/** s until the kernel gives up a request; 0 would wait for ever for a daemon that hangs. */
const IO_TIMEOUT_S = 120;
/** s that the kernel keeps requests for a daemon that died and may come back. */
const REATTACH_TIMEOUT_S = 60;
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
}

export class NbdMapper implements Mapper {
  readonly name = 'nbd';
  readonly #exec: Exec;
  readonly #keyDir: string;
  readonly #roots: KernelRoots;
  readonly #kernel: NbdKernel;
  readonly #mutex = new KeyedMutex();
  #abilities: NbdAbilities | undefined;

  constructor({ exec, runtimeDir = '/run/berth', roots = KERNEL_ROOTS, kernel }: NbdMapperOptions) {
    this.#exec = exec;
    this.#keyDir = path.join(runtimeDir, 'keys');
    this.#roots = roots;
    this.#kernel = kernel ?? nbdKernel(exec);
  }

  async whyNot(): Promise<string | undefined> {
    const missing = await missingProgram('rbd-nbd', 'rbd');
    if (missing !== undefined) return missing;
    return whyNotModule(this.#exec, 'nbd', path.join(this.#roots.sys, 'module/nbd'), [`nbds_max=${DEVICES}`]);
  }

  limit(): Promise<number> {
    return nbdLimit(this.#roots.sys);
  }

  async find(location: ImageLocation, deadline: Deadline): Promise<Mapping | undefined> {
    return (await this.list(deadline)).find((mapping) => sameLocation(mapping.location, location));
  }

  async list(deadline: Deadline): Promise<readonly Mapping[]> {
    const devices = await readNbdDevices(this.#roots.sys, this.#roots.proc);
    const listed = devices.some((device) => device.location === undefined) ? await this.#listMapped(deadline) : [];
    return devices.map((device) => mappingOf(device, listed)).filter((mapping) => mapping !== undefined);
  }

  async map(request: MapRequest, deadline: Deadline): Promise<Mapping> {
    const location = requestedLocation(request);
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
      await this.#runMap(request, deadline);
    } catch (error) {
      // Killed or late, and yet mapped: adopted.
      const adopted = await this.find(location, Deadline.after(ADOPT_MS));
      if (adopted !== undefined) return adopted;
      throw error;
    }
    const found = await this.find(location, deadline);
    if (found !== undefined) return found;
    throw this.#mapError(location, 'rbd-nbd map succeeded and sysfs shows no device');
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
      const gone = async () => ((await isNbdInUse(this.#roots.sys, name)) ? undefined : true);
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
      if (refusal === undefined || !(await isNbdInUse(this.#roots.sys, path.basename(device)))) return;
      throw berthError('BERTH_UNMAP_FAILED', { device, image: imageSpec(location), why: lastWords(refusal) });
    });
  }

  async whyUnserved(mapping: Mapping): Promise<string | undefined> {
    const device = await this.#device(mapping);
    return device !== undefined && device.server === undefined ? 'its rbd-nbd has died' : undefined;
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
    const args = ['--conf', '/dev/null', 'unmap', device];
    const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env: cephTimeouts(deadline) });
    return result.exitCode === 0 ? undefined : result;
  }

  async resized(mapping: Mapping, sizeBytes: bigint, deadline: Deadline): Promise<void> {
    const { device } = mapping;
    const shows = async () => {
      const size = await blockSizeBytes(this.#roots.sys, path.basename(device));
      return size !== undefined && size >= sizeBytes ? true : undefined;
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
      throw this.#mapError(mapping.location, `the rbd-nbd behind ${mapping.device} has died; unmap it first`);
    }
    const can = await this.#can(deadline);
    const args = ['attach', '--device', mapping.device, '--cookie', cookie, ...timeouts(can)];
    const { readOnly } = mapping;
    await this.#runDaemon({ ...request, readOnly }, readOnly ? [...args, '--read-only'] : args, deadline);
  }

  async #runMap(request: MapRequest, deadline: Deadline): Promise<void> {
    const can = await this.#can(deadline);
    await this.#runDaemon(request, ['map', ...deviceArguments(request, can)], deadline);
  }

  async #runDaemon(request: MapRequest, command: readonly string[], deadline: Deadline): Promise<void> {
    const { access } = request.image;
    await withKeyFile(this.#keyDir, access.key, async (keyFile) => {
      const args = [
        ...clientArguments(access, keyFile),
        // Not needed by the daemon: its command line tells whose cluster the image is of, also where there is no
        // cookie.
        ...['--fsid', request.fsid],
        ...command,
        imageSpec(request.image),
      ];
      const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env: cephTimeouts(deadline) });
      if (result.exitCode !== 0) throw await this.#explain(result, request, keyFile, deadline);
    });
  }

  /**
   * rbd-nbd goes to the background before it opens the image and loses the reason why it could not; `rbd info` knows
   * it.
   */
  async #explain(refusal: RbdRefusal, request: MapRequest, keyFile: string, deadline: Deadline): Promise<BerthError> {
    const said = explainRbdNbd(refusal, request);
    if (said !== undefined) return said;
    const args = [...clientArguments(request.image.access, keyFile), 'info', imageSpec(request.image)];
    const info = await runToAnswer(this.#exec, 'rbd', args, { deadline, env: cephTimeouts(deadline) });
    if (info.exitCode !== 0) return explainRbd(info, request, this.name);
    return this.#mapError(request.image, lastWords(refusal));
  }

  async #can(deadline: Deadline): Promise<NbdAbilities> {
    if (this.#abilities === undefined) {
      const { stdout, stderr } = await runToAnswer(this.#exec, 'rbd-nbd', ['--help'], { deadline });
      this.#abilities = abilities(stdout + stderr);
    }
    return this.#abilities;
  }

  async #listMapped(deadline: Deadline): Promise<readonly ListedNbd[]> {
    const args = ['--conf', '/dev/null', 'list-mapped', '--format', 'json'];
    return parseListMapped((await this.#exec('rbd-nbd', args, { deadline })).stdout);
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

  #mapError(location: ImageSpec, why: string) {
    return berthError('BERTH_MAP_FAILED', { image: imageSpec(location), mapper: this.name, why });
  }
}

/**
 * Of the `mapOptions`, rbd-nbd takes none yet: they are krbd's, which a class with `mounter: auto` may carry for other
 * nodes.
 */
const deviceArguments = ({ image, fsid, readOnly }: MapRequest, can: NbdAbilities): readonly string[] => [
  ...(can.netlink ? ['--try-netlink'] : []),
  ...(can.netlink && can.cookie ? ['--cookie', locationName({ ...image, fsid })] : []),
  ...timeouts(can),
  ...(readOnly ? ['--read-only'] : []),
];

const timeouts = (can: NbdAbilities): readonly string[] => [
  ...(can.reattachTimeout ? ['--reattach-timeout', String(REATTACH_TIMEOUT_S)] : []),
  ...(can.ioTimeout ? ['--io-timeout', String(IO_TIMEOUT_S)] : []),
];

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
