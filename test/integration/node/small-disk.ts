/**
 * A small disk of its own below a directory: a tmpfs that can be filled to the last page, turned read-only and back.
 */
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';

const soon = (): Deadline => Deadline.after(60_000);
const PAGE = 4096;

export class SmallDisk {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async at(directory: string, pages = 16): Promise<SmallDisk> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const options = `size=${pages * PAGE},mode=700`;
    await run('mount', ['-t', 'tmpfs', '-o', options, 'berth-test', directory], { deadline: soon() });
    return new SmallDisk(directory);
  }

  get #filler(): string {
    return path.join(this.directory, 'filler');
  }

  /** Take all space but for some pages; on a tmpfs every small file is one. */
  async fill(butPages = 0): Promise<void> {
    const { bavail } = await statfs(this.directory);
    await writeFile(this.#filler, Buffer.alloc((bavail - butPages) * PAGE));
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  async remount(mode: 'ro' | 'rw'): Promise<void> {
    await run('mount', ['-o', `remount,${mode}`, this.directory], { deadline: soon() });
  }

  async unmount(): Promise<void> {
    await run('umount', [this.directory], { deadline: soon() });
  }
}
