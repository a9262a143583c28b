/** rbd-nbd: librbd in a daemon for each image behind a kernel nbd device; every feature of RBD, at the price of that daemon. */
import path from 'node:path';
import { waitFor } from '../../host/bounded.js';
import type { Exec } from '../../host/exec.js';
import { Deadline } from '../../model/deadline.js';
import { fail, type BerthError } from '../../model/errors.js';
import { imageSpec } from '../../model/volume-id.js';
import { runToAnswer } from './any-exit.js';
import { blockSizeBytes } from './attribute.js';
import { cephTimeouts, clientArguments, withKeyFile } from './ceph-client.js';
import { lastingUsers } from './device-users.js';
import { missingProgram } from './installed.js';
import { whyNotModule } from './kernel-module.js';
import { locationName, locationOf, sameLocation } from './location-name.js';
import type { ImageLocation, Mapper, MapRequest, Mapping } from './mapper.js';
import { isNbdInUse, nbdLimit, readNbdDevices, type NbdDevice } from './nbd-sysfs.js';
import {
  abilities,
  explainRbdNbd,
  parseListMapped,
  saysNotMapped,
  type ListedNbd,
  type NbdAbilities,
} from './rbd-nbd-messages.js';
import { explainRbd, lastWords, type Refusal } from './rbd-messages.js';
import { KERNEL_ROOTS, type KernelRoots } from './roots.js';
import { Turns } from './turns.js';

/** s until the kernel gives up a request; 0 would wait for ever for a daemon that hangs. */
const IO_TIMEOUT_S = 120;
/** s that the kernel holds requests for a daemon that died and may come back. */
const REATTACH_TIMEOUT_S = 60;
/** Devices that the module makes if it is us who load it; its own default is 16. */
const DEVICES = 128;
/** rbd-nbd looks for a free device and then takes it: two of them must not look at once. */
const MAPPING = 'rbd-nbd map';

export interface NbdMapperOptions {
  readonly exec: Exec;
  /** For key files that live as long as one `rbd-nbd map`; a tmpfs. */
  readonly runtimeDir?: string;
  readonly roots?: KernelRoots;
}

export class NbdMapper implements Mapper {
  readonly name = 'nbd';
  readonly developmentOnly = false;
  readonly #exec: Exec;
  readonly #keyDir: string;
  readonly #roots: KernelRoots;
  readonly #turns = new Turns();
  #abilities: NbdAbilities | undefined;

  constructor({ exec, runtimeDir = '/run/berth', roots = KERNEL_ROOTS }: NbdMapperOptions) {
    this.#exec = exec;
    this.#keyDir = path.join(runtimeDir, 'keys');
    this.#roots = roots;
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
    const location = locationOf(request);
    return this.#turns.take(MAPPING, deadline, async () => {
      const present = await this.find(location, deadline);
      if (present !== undefined) return this.#alive(present);
      const why = await this.whyNot();
      if (why !== undefined) throw fail('MAPPER_UNAVAILABLE', { mapper: this.name, why });
      try {
        await this.#runMap(request, deadline);
      } catch (error) {
        // Killed or late, and yet mapped: adopted.
        const adopted = await this.find(location, Deadline.after(2_000));
        if (adopted !== undefined) return adopted;
        throw error;
      }
      const found = await this.find(location, deadline);
      if (found !== undefined) return found;
      throw this.#failed(location, 'rbd-nbd map succeeded and sysfs shows no device');
    });
  }

  async unmap(mapping: Mapping, deadline: Deadline): Promise<void> {
    await this.#turns.take(locationName(mapping.location), deadline, async () => {
      const { device, location } = mapping;
      const name = path.basename(device);
      const image = imageSpec(location);
      if ((await this.find(location, deadline))?.device !== device) return;
      // rbd-nbd disconnects a mounted device without a word, and what was not written yet is lost.
      const who = await lastingUsers(device, this.#roots, deadline);
      if (who !== undefined) throw fail('UNMAP_BUSY', { device, image, who });
      const args = ['--conf', '/dev/null', 'unmap', device];
      const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env: cephTimeouts(deadline) });
      const gone = async () => ((await isNbdInUse(this.#roots.sys, name)) ? undefined : true);
      if (result.exitCode !== 0 && !(await gone())) {
        const dead = saysNotMapped(result) ? '; its daemon has died (nbd-client -d frees it)' : '';
        throw fail('UNMAP_FAILED', { device, image, why: lastWords(result) + dead });
      }
      await waitFor(gone, `waiting for ${device} to be free`, deadline);
    });
  }

  async resized(mapping: Mapping, sizeBytes: bigint, deadline: Deadline): Promise<void> {
    // The daemon watches the image and tells the kernel; there is nothing to do but to see it.
    const shows = async () => {
      const size = await blockSizeBytes(this.#roots.sys, path.basename(mapping.device));
      return size !== undefined && size >= sizeBytes ? true : undefined;
    };
    await waitFor(shows, `waiting for ${mapping.device} to have ${sizeBytes} bytes`, deadline);
  }

  async #runMap(request: MapRequest, deadline: Deadline): Promise<void> {
    const { access } = request.image;
    const can = await this.#can(deadline);
    await withKeyFile(this.#keyDir, access.key, async (keyFile) => {
      const args = [
        ...clientArguments(access, keyFile),
        // Not needed by the daemon: its command line tells whose cluster the image is of, also where there is no cookie.
        ...['--fsid', request.fsid],
        'map',
        ...deviceArguments(request, can),
        imageSpec(request.image),
      ];
      const result = await runToAnswer(this.#exec, 'rbd-nbd', args, { deadline, env: cephTimeouts(deadline) });
      if (result.exitCode !== 0) throw await this.#explain(result, request, keyFile, deadline);
    });
  }

  /** rbd-nbd goes to the background before it opens the image and loses the reason why it could not; `rbd info` knows it. */
  async #explain(refusal: Refusal, request: MapRequest, keyFile: string, deadline: Deadline): Promise<BerthError> {
    const said = explainRbdNbd(refusal, request);
    if (said !== undefined) return said;
    const args = [...clientArguments(request.image.access, keyFile), 'info', imageSpec(request.image)];
    const info = await runToAnswer(this.#exec, 'rbd', args, { deadline, env: cephTimeouts(deadline) });
    if (info.exitCode !== 0) return explainRbd(info, request, this.name);
    return this.#failed(request.image, lastWords(refusal));
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

  /** The mapping, unless nobody serves it any more: attaching a new daemon to it is not done yet. */
  async #alive(mapping: Mapping): Promise<Mapping> {
    const devices = await readNbdDevices(this.#roots.sys, this.#roots.proc);
    const device = devices.find(({ name }) => name === path.basename(mapping.device));
    if (device?.alive === true) return mapping;
    throw this.#failed(mapping.location, `the rbd-nbd behind ${mapping.device} has died; unmap it first`);
  }

  #failed(location: Omit<ImageLocation, 'fsid'>, why: string) {
    return fail('MAP_FAILED', { image: imageSpec(location), mapper: this.name, why });
  }
}

/** Of the `mapOptions`, rbd-nbd takes none yet: they are krbd's, which a class with `mounter: auto` may carry for other nodes. */
const deviceArguments = ({ image, fsid, readOnly }: MapRequest, can: NbdAbilities): readonly string[] => [
  ...(can.netlink ? ['--try-netlink'] : []),
  ...(can.netlink && can.cookie ? ['--cookie', locationName({ ...image, fsid })] : []),
  ...(can.reattachTimeout ? ['--reattach-timeout', String(REATTACH_TIMEOUT_S)] : []),
  ...(can.ioTimeout ? ['--io-timeout', String(IO_TIMEOUT_S)] : []),
  ...(readOnly ? ['--read-only'] : []),
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
