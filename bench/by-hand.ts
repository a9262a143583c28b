/** Map, mkfs and mount as a person would type them: the same storage daemon program, the same tools and arguments, and nothing else. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../src/host/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { writeClientConf } from '../src/rbd/mapping/client-conf.js';
import { addExport, dropExport } from '../src/rbd/mapping/loop-export.js';
import { locationOf } from '../src/rbd/mapping/location-name.js';
import type { MapRequest } from '../src/rbd/mapping/mapper.js';
import type { QmpSession } from '../src/rbd/mapping/qmp.js';
import { StorageDaemon } from '../src/rbd/mapping/storage-daemon.js';
import type { ImageRef } from '../src/rbd/port.js';

const soon = (): Deadline => Deadline.after(60_000);
/** What Berth gives mkfs.ext4, so that both make the same filesystem. */
const MKFS = ['-q', '-m', '0', '-E', 'nodiscard,lazy_itable_init=1,lazy_journal_init=1'];

const command = async (file: string, ...args: readonly string[]): Promise<string> =>
  (await run(file, args, { deadline: soon() })).stdout;

export class ByHand {
  readonly #directory: string;
  readonly #daemon: StorageDaemon;
  readonly #session: QmpSession;
  readonly #fsid: string;

  private constructor(directory: string, daemon: StorageDaemon, session: QmpSession, fsid: string) {
    this.#directory = directory;
    this.#daemon = daemon;
    this.#session = session;
    this.#fsid = fsid;
  }

  static async start(directory: string, fsid: string): Promise<ByHand> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const daemon = new StorageDaemon({ exec: run, stateDir: directory, runtimeDir: '/run/berth', procRoot: '/proc' });
    return new ByHand(directory, daemon, await daemon.start(soon()), fsid);
  }

  async stop(): Promise<void> {
    await this.#daemon.quit(this.#session, soon());
  }

  /** The device. */
  async map(image: ImageRef): Promise<string> {
    const file = this.#file(image);
    await writeFile(file, '');
    const conf = await writeClientConf(this.#directory, this.#fsid, image.access);
    await addExport(this.#session, { request: this.#request(image), file, conf }, soon());
    return command('losetup', '--find', '--show', '--direct-io=on', '--', file);
  }

  async unmap(image: ImageRef, device: string): Promise<void> {
    await command('losetup', '--detach', device);
    await dropExport(this.#session, locationOf(this.#request(image)), soon());
    await rm(this.#file(image));
  }

  async mkfs(device: string): Promise<void> {
    await command('mkfs.ext4', ...MKFS, device);
  }

  async mount(device: string, directory: string): Promise<void> {
    await mkdir(directory, { recursive: true });
    await command('mount', '-t', 'ext4', '--', device, directory);
  }

  async bind(from: string, to: string): Promise<void> {
    await mkdir(to, { recursive: true });
    await command('mount', '--bind', '--', from, to);
  }

  async unmount(directory: string): Promise<void> {
    await command('umount', '--', directory);
  }

  #file(image: ImageRef): string {
    return join(this.#directory, image.image);
  }

  #request(image: ImageRef): MapRequest {
    return { image, fsid: this.#fsid, readOnly: false, features: [], options: '' };
  }
}
