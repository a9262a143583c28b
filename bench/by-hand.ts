/**
 * Map, mkfs and mount as a person would type them: the same storage daemon program, the same tools and arguments, and
 * nothing else.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { writeClientConf } from '../src/dev/mapper/client-conf.js';
import { addExport, dropExport } from '../src/dev/mapper/loop-export.js';
import { requestedLocation } from '../src/rbd/mapping/location-name.js';
import type { MapRequest } from '../src/rbd/mapping/mapper.js';
import type { QmpSession } from '../src/dev/mapper/qmp.js';
import { StorageDaemon } from '../src/dev/mapper/storage-daemon.js';
import type { ImageRef } from '../src/rbd/port.js';

const soon = (): Deadline => Deadline.after(60_000);
/** What Berth gives mkfs.ext4, so that both make the same filesystem. */
const MKFS = ['-q', '-m', '0', '-E', 'nodiscard,lazy_itable_init=1,lazy_journal_init=1'];

const command = async (file: string, ...args: readonly string[]): Promise<string> =>
  (await run(file, args, { deadline: soon() })).stdout;

/**
 * Whose storage daemon serves an image: one started for it,
 * as every `rbd map` is a new client, or one that runs already.
 */
export type Serving = 'own' | 'shared';

interface Server {
  readonly daemon: StorageDaemon;
  readonly session: QmpSession;
}

export class ByHand {
  readonly #directory: string;
  readonly #fsid: string;
  readonly #serving: Serving;
  #server: Server | undefined;

  constructor(directory: string, fsid: string, serving: Serving) {
    this.#directory = directory;
    this.#fsid = fsid;
    this.#serving = serving;
  }

  async start(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    if (this.#serving === 'shared') await this.#serve();
  }

  async stop(): Promise<void> {
    await this.#end();
  }

  /** The device. */
  async map(image: ImageRef): Promise<string> {
    const file = this.#file(image);
    await writeFile(file, '');
    const conf = await writeClientConf(this.#directory, this.#fsid, image.access);
    const { session } = this.#server ?? (await this.#serve());
    await addExport(session, { request: this.#request(image), file, conf }, soon());
    return command('losetup', '--find', '--show', '--direct-io=on', '--', file);
  }

  async unmap(image: ImageRef, device: string): Promise<void> {
    await command('losetup', '--detach', device);
    if (this.#server !== undefined)
      await dropExport(this.#server.session, requestedLocation(this.#request(image)), soon());
    if (this.#serving === 'own') await this.#end();
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

  async #serve(): Promise<Server> {
    const options = { exec: run, stateDir: this.#directory, runtimeDir: '/run/berth', procRoot: '/proc' };
    const daemon = new StorageDaemon(options);
    this.#server = { daemon, session: await daemon.start(soon()) };
    return this.#server;
  }

  async #end(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.daemon.quit(server.session, soon());
  }

  #file(image: ImageRef): string {
    return join(this.#directory, image.image);
  }

  #request(image: ImageRef): MapRequest {
    return { image, fsid: this.#fsid, readOnly: false, features: [], options: '', ioTimeoutSeconds: 0 };
  }
}
