/**
 * The loop-device Ceph: images through librbd in one qemu-storage-daemon, FUSE and a loop device; for development only.
 */
import { writeFile } from 'node:fs/promises';
import { settleAll } from '../../model/settle-all.js';
import { unlinkIfThere } from '../../host/unlink-if-there.js';
import type { Exec } from '../../host/process/exec.js';
import { attachLoop, detachAtLastClose, detachLoop, growLoop } from './loop-device.js';
import type { Logger } from '../../observe/log.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { imageSpec, type ImageSpec } from '../../model/volume-id.js';
import { writeClientConf } from './client-conf.js';
import { ExportDirectory } from './export-directory.js';
import { locationName, requestedLocation, MAX_NAME_BYTES, sameLocation } from '../../rbd/mapping/location-name.js';
import { addExport, dropExport, dropOthers, isExported, refreshSize, type ExportPlan } from './loop-export.js';
import type { ImageLocation, Mapper, MapRequest, Mapping } from '../../rbd/mapping/mapper.js';
import { whyNotLoop } from './loop-preflight.js';
import { mayOpenNow } from './may-open.js';
import { explainQemu, saysReadOnly } from './qemu-messages.js';
import { QmpError, type QmpSession } from './qmp.js';
import { KERNEL_ROOTS } from '../../rbd/mapping/roots.js';
import { cleanUpAfterDeath, dropStaleLoop, freeLoop, removeExportFile } from './stale-exports.js';
import { Sessions } from './sessions.js';
import { StorageDaemon } from './storage-daemon.js';
import { KeyedMutex } from '../../rbd/mapping/keyed-mutex.js';

/** Far below what the kernel can do; each image costs the daemon some megabytes. */
const LIMIT = 512;
/** What an attempt whose time is over may still take to undo itself, ms. */
const UNDO_MS = 3_000;
/** One daemon, one monitor: operations of a mapper take turns. */
const TURN = 'the loop mapper';

export interface LoopMapperOptions {
  readonly exec: Exec;
  /** Survives restarts of the plugin; made 0700. One storage daemon serves it. */
  readonly stateDir: string;
  /** For the daemon's socket if the state directory's path is too long. */
  readonly runtimeDir?: string;
  /** Told once, at the first volume, that this is for development only. */
  readonly log?: Pick<Logger, 'warn'>;
}

export class LoopMapper implements Mapper {
  readonly name = 'loop';
  /** It lists what it served from files in its own state directory. */
  readonly listsOnlyOwn = true;
  readonly #exec: Exec;
  readonly #stateDir: string;
  readonly #daemon: StorageDaemon;
  readonly #exports: ExportDirectory;
  readonly #turns = new KeyedMutex();
  readonly #log: Pick<Logger, 'warn'> | undefined;
  #hasWarned = false;
  readonly #sessions: Sessions;
  /** Nothing of an earlier attempt is in the daemon, as far as this process knows. */
  #isTidy = false;

  constructor({ exec, stateDir, runtimeDir = '/run/berth', log }: LoopMapperOptions) {
    this.#log = log;
    this.#exec = exec;
    this.#stateDir = stateDir;
    this.#exports = new ExportDirectory(stateDir);
    this.#daemon = new StorageDaemon({ exec, stateDir, runtimeDir, procRoot: KERNEL_ROOTS.proc });
    this.#sessions = new Sessions(this.#daemon, (deadline) => this.#prepareDaemon(deadline));
  }

  whyNot(): Promise<string | undefined> {
    return Promise.resolve(whyNotLoop());
  }

  limit(): Promise<number> {
    return Promise.resolve(LIMIT);
  }

  async find(location: ImageLocation, deadline: Deadline): Promise<Mapping | undefined> {
    const mapping = await this.#mappingOf(location);
    if (mapping !== undefined || !(await this.#exports.hasFile(location))) return mapping;
    return this.#turns.run(TURN, deadline, () => this.#tidily(() => this.#closeUnlessMapped(location, deadline)));
  }

  async list(): Promise<readonly Mapping[]> {
    return this.#exports.mappings();
  }

  async map(request: MapRequest, deadline: Deadline): Promise<Mapping> {
    this.#warnOnce();
    const location = requestedLocation(request);
    if (Buffer.byteLength(locationName(location)) > MAX_NAME_BYTES)
      throw this.#mapError(request, 'pool, namespace and image names are too long for one file name');
    for (;;) {
      const map = (): Promise<Mapping | undefined> => this.#map(request, location, deadline);
      const mapping = await this.#turns.run(TURN, deadline, () => this.#tidily(map));
      if (mapping !== undefined) return mapping;
      await request.mayOpen;
    }
  }

  async unmap(mapping: Mapping, deadline: Deadline): Promise<void> {
    await this.#turns.run(TURN, deadline, () => this.#tidily(() => this.#unmap(mapping, deadline)));
  }

  /**
   * Without its export the loop device has a file whose every access fails, and no name by which it could be found: it
   * is the kernel's to detach from here on.
   */
  async cutOff({ device, location }: Mapping, deadline: Deadline): Promise<void> {
    await this.#turns.run(TURN, deadline, async () => {
      this.#isTidy = false;
      if ((await this.#mappingOf(location))?.device === device) await detachAtLastClose(this.#exec, device, deadline);
      const session = await this.#sessions.connect(deadline);
      try {
        if (session !== undefined) await dropExport(session, location, deadline);
      } catch (error) {
        if (!(error instanceof QmpError)) throw error;
        throw berthError('BERTH_UNMAP_FAILED', { device, image: imageSpec(location), why: error.message }, error);
      } finally {
        session?.close();
      }
    });
  }

  async whyUnserved(): Promise<string | undefined> {
    return (await this.#daemon.pid()) === undefined ? 'its storage daemon has died' : undefined;
  }

  async resized(mapping: Mapping, sizeBytes: bigint, deadline: Deadline): Promise<void> {
    const { location, device } = mapping;
    const file = await this.#exports.file(location);
    const size = await this.#turns.run(TURN, deadline, () => this.#takeSizeOver(location, deadline));
    if (size < sizeBytes) throw this.#mapError({ image: location }, `the image has only ${size} of ${sizeBytes} bytes`);
    await growLoop(this.#exec, { device, file, size }, deadline);
  }

  /**
   * Unmap everything and end the daemon:
   * for tests and for taking a development cluster down. BERTH_UNMAP_BUSY, DEADLINE.
   */
  async stop(deadline: Deadline): Promise<void> {
    await this.#turns.run(TURN, deadline, async () => {
      for (const mapping of await this.#exports.mappings()) await this.#unmap(mapping, deadline);
      const session = await this.#sessions.connect(deadline);
      if (session === undefined) return;
      try {
        await dropOthers(session, [], deadline);
        await this.#daemon.quit(session, deadline);
      } finally {
        session.close();
      }
    });
  }

  #warnOnce(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#log?.warn({ mapper: this.name }, 'volumes are mapped for development: slow, one process serves all of them');
  }

  /** Undefined where it is not known yet whether the image may be opened: that is not waited for in a turn. */
  async #map(request: MapRequest, location: ImageLocation, deadline: Deadline): Promise<Mapping | undefined> {
    return this.#sessions.run(deadline, async (session) => {
      const mappings = await this.#exports.mappings();
      const mapping = mappings.find((one) => sameLocation(one.location, location));
      if (mapping !== undefined) {
        if (!(await mayOpenNow(request))) return undefined;
        if (await isExported(session, location, deadline)) return mapping;
        const users = await dropStaleLoop(this.#exec, mapping.device, deadline);
        const dead = `its storage daemon has died, and its old device ${mapping.device} is still in use`;
        if (users !== undefined) throw this.#mapError(request, `${dead}: ${users}`);
      }
      const live = mappings.filter((one) => one !== mapping).map((one) => one.location);
      const writing = writeClientConf(this.#stateDir, request.fsid, request.image.access);
      const [conf] = await settleAll(writing, this.#tidyUp(session, live, deadline));
      return this.#mapAnew(session, { request, conf }, deadline);
    });
  }

  /** What an earlier attempt left when its time was over, its own image's first of all. */
  async #tidyUp(session: QmpSession, live: readonly ImageLocation[], deadline: Deadline): Promise<void> {
    if (this.#isTidy) return;
    await dropOthers(session, live, deadline);
    this.#isTidy = true;
  }

  /** After a failure the daemon is looked through before the next map. */
  async #tidily<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#isTidy = false;
      throw error;
    }
  }

  /** Undefined as {@link #map}. */
  async #mapAnew(
    session: QmpSession,
    plan: Omit<ExportPlan, 'file'>,
    deadline: Deadline,
  ): Promise<Mapping | undefined> {
    const { request } = plan;
    const location = requestedLocation(request);
    const file = await this.#exports.file(location);
    await removeExportFile(this.#exec, file, deadline);
    await writeFile(file, '', { mode: 0o600, flag: 'wx' });
    try {
      if (!(await mayOpenNow(request))) {
        await unlinkIfThere(file);
        return undefined;
      }
      await addExport(session, { ...plan, file }, deadline);
      const { readOnly, opened } = request;
      opened?.();
      const device = await attachLoop(this.#exec, { file, readOnly }, deadline);
      return { mapper: this.name, location, device, readOnly };
    } catch (error) {
      await this.#undo(session, location);
      throw error instanceof QmpError ? explainQemu(error.message, request, error) : error;
    }
  }

  /** Read from the kernel alone. */
  async #mappingOf(location: ImageLocation): Promise<Mapping | undefined> {
    return (await this.#exports.mappings()).find((mapping) => sameLocation(mapping.location, location));
  }

  /** A driver that was killed between the export and its device left the image open in the daemon, for ever. */
  async #closeUnlessMapped(location: ImageLocation, deadline: Deadline): Promise<Mapping | undefined> {
    // While this one waited for its turn, another may have mapped it.
    const mapping = await this.#mappingOf(location);
    if (mapping !== undefined) return mapping;
    const session = await this.#sessions.connect(deadline);
    if (session !== undefined) await this.#sessions.use(session, () => dropExport(session, location, deadline));
    return undefined;
  }

  /** As far as it goes: what stays (the daemon may hang) is dropped by the next operation; the first error is told. */
  async #undo(session: QmpSession, location: ImageLocation): Promise<void> {
    const deadline = Deadline.after(UNDO_MS);
    try {
      const mapping = await this.#mappingOf(location);
      if (mapping !== undefined) await detachLoop(this.#exec, mapping.device, deadline);
      await dropExport(session, location, deadline);
      await removeExportFile(this.#exec, await this.#exports.file(location), deadline);
    } catch (error) {
      if (!isBerthError(error) && !(error instanceof QmpError)) throw error;
    }
  }

  async #unmap({ device, location }: Mapping, deadline: Deadline): Promise<void> {
    const image = imageSpec(location);
    const current = await this.#mappingOf(location);
    if (current !== undefined && current.device !== device) return;
    // The daemon greets while the device is looked at.
    const connecting = this.#sessions.connect(deadline);
    connecting.catch(() => undefined);
    try {
      if (current !== undefined) await freeLoop(this.#exec, device, image, deadline);
    } catch (error) {
      void connecting.then((session) => session?.close()).catch(() => undefined);
      throw error;
    }
    const session = await connecting;
    try {
      if (session !== undefined) {
        await dropExport(session, location, deadline);
        this.#sessions.keep(session);
      }
    } catch (error) {
      session?.close();
      if (error instanceof QmpError)
        throw berthError('BERTH_UNMAP_FAILED', { device, image, why: error.message }, error);
      throw error;
    }
    await removeExportFile(this.#exec, await this.#exports.file(location), deadline);
  }

  async #takeSizeOver(location: ImageLocation, deadline: Deadline): Promise<bigint> {
    const readOnly = 'a read-only device of the loop mapper keeps its size until it is mapped again';
    return this.#sessions.run(deadline, async (session) => {
      try {
        return await refreshSize(session, location, deadline);
      } catch (error) {
        if (!(error instanceof QmpError)) throw error;
        throw this.#mapError({ image: location }, saysReadOnly(error.message) ? readOnly : error.message, error);
      }
    });
  }

  async #prepareDaemon(deadline: Deadline): Promise<void> {
    this.#isTidy = false;
    await this.#exports.prepare();
    await cleanUpAfterDeath(this.#exec, this.#exports, deadline);
  }

  #mapError(request: { readonly image: ImageSpec }, why: string, cause?: unknown) {
    return berthError('BERTH_MAP_FAILED', { image: imageSpec(request.image), mapper: this.name, why }, cause);
  }
}
