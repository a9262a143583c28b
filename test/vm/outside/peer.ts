/**
 * The second guest of a test file: a node with a driver, asked through files of a directory that both sides see,
 * stopped and rebooted at will.
 */
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from '../../../src/model/deadline.js';
import type { Answer, Session } from '../wire.js';
import { consoleOf, startGuest, type Guest, type GuestFiles } from './guest.js';
import { prepare, type FileRun } from './in-guest.js';

/** A boot beside another guest on a busy machine, and a driver's start in it, ms. */
const READY_MS = 380_000;
const ANSWER_MS = 300_000;
const POLL_MS = 100;
/** Names of files in the share, which the guest's part (inside/peer.ts) knows too. */
const COMMANDS = 'commands';

export class Peer {
  readonly #file: FileRun;
  #files: GuestFiles | undefined;
  #guest: Guest | undefined;
  #boot = 0;
  #serial = 0;

  constructor(file: FileRun) {
    this.#file = file;
  }

  async start(): Promise<void> {
    if (this.#guest !== undefined) throw new Error('the peer runs already');
    const { packageRoot, unpacked, client } = this.#file;
    const directory = path.join(this.#file.directory, 'peer');
    const test = path.join(packageRoot, 'dist/test/vm/inside/peer.js');
    await mkdir(directory, { recursive: true });
    this.#files = await prepare({ test, packageRoot, unpacked, client, directory });
    await this.#bootIt(this.#files);
  }

  /** What the command answers. */
  async ask(command: readonly string[]): Promise<string> {
    const { files, guest } = this.#running();
    const name = String((this.#serial += 1)).padStart(6, '0');
    const at = path.join(files.share, COMMANDS, name);
    await writeFile(`${at}.new`, JSON.stringify(command), { mode: 0o600 });
    await rename(`${at}.new`, `${at}.command`);
    const text = await this.#appears(`${at}.answer`, guest, ANSWER_MS);
    const answer = JSON.parse(text) as Answer;
    if ('error' in answer) throw new Error(`on the peer: ${answer.error}`);
    return answer.result;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.#running().guest.pid, name);
  }

  async reboot(): Promise<void> {
    const { files, guest } = this.#running();
    await guest.kill();
    await this.#bootIt(files);
  }

  /** Idempotent. */
  async end(): Promise<void> {
    await this.#guest?.kill();
    this.#guest = undefined;
  }

  async #bootIt(files: GuestFiles): Promise<void> {
    this.#boot += 1;
    await rm(path.join(files.share, COMMANDS), { recursive: true, force: true });
    await mkdir(path.join(files.share, COMMANDS), { mode: 0o700 });
    for (const name of ['ready', 'booted', 'output', 'code']) await rm(path.join(files.share, name), { force: true });
    const { cluster, control } = this.#file;
    const session: Session = {
      ...cluster,
      boot: this.#boot,
      guest: true,
      state: '/mnt/state',
      control: control.address,
    };
    await writeFile(path.join(files.share, 'session.json'), JSON.stringify(session), { mode: 0o600 });
    this.#guest = startGuest(files);
    await this.#appears(path.join(files.share, 'ready'), this.#guest, READY_MS);
  }

  #running(): { readonly files: GuestFiles; readonly guest: Guest } {
    if (this.#files === undefined || this.#guest === undefined) throw new Error('the peer does not run');
    return { files: this.#files, guest: this.#guest };
  }

  /** Its text, once it is there. */
  async #appears(file: string, guest: Guest, ms: number): Promise<string> {
    for (const deadline = Deadline.after(ms); ; ) {
      const isThere = await access(file).then(
        () => true,
        () => false,
      );
      if (isThere) return readFile(file, 'utf8');
      const how = await Promise.race([guest.ended, sleep(POLL_MS)]);
      if (how !== undefined) throw new Error(`the peer ended (${how}): ${await this.#evidence()}`);
      if (deadline.expired) throw new Error(`the peer does not answer: ${await this.#evidence()}`);
    }
  }

  async #evidence(): Promise<string> {
    const { files } = this.#running();
    const texts = [path.join(files.share, 'output'), consoleOf(files.directory)].map((file) =>
      readFile(file, 'utf8').catch(() => ''),
    );
    return (await Promise.all(texts)).map((text) => text.slice(-2_000)).join('\n');
  }
}
