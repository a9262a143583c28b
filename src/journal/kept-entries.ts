/**
 * The entry that was written last of each volume, kept while newer ones are noted that nobody waits for: a power cut
 * may leave a name whose bytes never came to the disk. A driver that is killed needs none of it.
 */
import { link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { readAttribute } from '../host/device/kernel-attribute.js';
import { isErrno } from '../host/errno.js';
import { isThere } from '../host/is-there.js';
import { unlinkIfThere } from '../host/unlink-if-there.js';

const thisBoot = (): string => readAttribute('/proc/sys/kernel/random/boot_id') ?? '';

export class KeptEntries {
  readonly #directory: string;
  readonly #boot: string;
  /** Of which entries one is kept, by what this process knows. */
  readonly #known = new Set<string>();

  /**
   * @param directory made with the first that is kept, on the journal's own filesystem
   * @param boot which boot this is: only what an earlier one has torn is put back
   */
  constructor(directory: string, boot = thisBoot()) {
    this.#directory = directory;
    this.#boot = boot;
  }

  /**
   * Keep what the file says now; one that is kept already stays. False where there is nothing to keep, or it cannot be
   * (another filesystem, a disk that takes nothing): then whoever writes over it has to wait for the disk.
   */
  async keep(file: string): Promise<boolean> {
    if (this.#known.has(file)) return true;
    try {
      await this.#link(file);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) return false;
    }
    this.#known.add(file);
    return true;
  }

  async #link(file: string): Promise<void> {
    try {
      await link(file, this.#nameOf(file));
    } catch (error) {
      if (!isErrno(error, 'ENOENT') || !(await isThere(file))) throw error;
      await mkdir(this.#directory, { mode: 0o700, recursive: true });
      await link(file, this.#nameOf(file));
    }
  }

  /** The file is on the disk, or gone. What cannot be removed does no harm: it is settled at the next start. */
  async drop(file: string): Promise<void> {
    if (!this.#known.delete(file)) return;
    await unlinkIfThere(this.#nameOf(file)).catch(() => undefined);
  }

  /**
   * At the start of a driver: a file of `entries` that the end of an earlier boot has torn becomes what it was before,
   * every other one is brought to the disk, and nothing is kept any more. Never fails: a disk may take nothing.
   */
  async settle(entries: string, isTorn: (file: string) => boolean): Promise<void> {
    const names = await readdir(this.#directory).catch(() => []);
    for (const name of names) {
      const kept = path.join(this.#directory, name);
      const [digest = '', boot = ''] = name.split('.');
      const file = path.join(entries, `${digest}.json`);
      await this.#settleOne(kept, file, boot, isTorn(file)).catch(() => this.#known.add(file));
    }
  }

  async #settleOne(kept: string, file: string, boot: string, isTorn: boolean): Promise<void> {
    if (isTorn && boot === this.#boot) {
      // Not the power: somebody damaged it while the kernel has what it was about.
      this.#known.add(file);
      return;
    }
    if (isTorn) await rename(kept, file);
    await syncThere(file);
    await syncThere(path.dirname(file));
    await rm(kept, { force: true });
  }

  /** Readable, and of one boot: after the next one it counts only for what that boot has torn. */
  #nameOf(file: string): string {
    return path.join(this.#directory, `${path.basename(file, '.json')}.${this.#boot}`);
  }
}

/** A file that is gone has nothing to bring to the disk. */
async function syncThere(file: string): Promise<void> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
