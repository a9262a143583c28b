/**
 * The directory of Kata's direct-volume records: each comes and goes whole, by one rename, and is read back before
 * anybody relies on it.
 */
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rmdir, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from '../../host/errno.js';
import { makeDirectories } from '../../host/make-directories.js';
import { berthError } from '../../model/errors.js';
import {
  formatMountInfo,
  parseMountInfo,
  pathOfName,
  recordName,
  recordNameOrNone,
  type MountInfo,
} from './kata-record.js';

/** Where both runtimes look; on tmpfs, so that a reboot takes all records along. */
export const RECORDS = '/run/kata-containers/shared/direct-volumes';
export const MOUNT_INFO = 'mountInfo.json';
/** Beside the records, so that a rename is enough; nobody looks for a volume under a name with a dot. */
const DRAFT = '.berth-';

export interface FoundRecord {
  /** What it is the record of. */
  readonly path: string;
  /** Undefined where a runtime would not understand it. */
  readonly info: MountInfo | undefined;
}

export class KataRecords {
  readonly directory: string;

  constructor(directory = RECORDS) {
    this.directory = directory;
  }

  /**
   * Make this the record of `path`. A reader sees the old one or the new one, and the sandbox' own file beside it
   * stays. BERTH_KATA_RECORD_FAILED: then nothing half is left.
   */
  async write(at: string, info: MountInfo): Promise<void> {
    const final = path.join(this.directory, recordName(at));
    const text = formatMountInfo(info);
    const draft = this.#draft();
    try {
      if ((await this.#text(final)) === text) return;
      await makeDirectories(this.directory, 0o700);
      await mkdir(draft, { mode: 0o700 });
      await writeFile(path.join(draft, MOUNT_INFO), text, { mode: 0o600, flag: 'wx' });
      await moveOver(draft, final);
      if ((await this.#text(final)) !== text) throw new Error('it reads back otherwise');
    } catch (error) {
      throw berthError(
        'BERTH_KATA_RECORD_FAILED',
        { path: at, why: reasonOf(error), directory: this.directory },
        error,
      );
    } finally {
      await removeFlat(draft).catch(() => undefined);
    }
  }

  /** What a runtime would find for `path`; undefined for nothing.. */
  async read(at: string): Promise<FoundRecord | undefined> {
    const name = recordNameOrNone(at);
    const text = name === undefined ? undefined : await this.#text(path.join(this.directory, name));
    return text === undefined ? undefined : { path: at, info: parseMountInfo(text) };
  }

  /** Gone in one step for every reader; none there is a success. BERTH_KATA_RECORD_FAILED. */
  async remove(at: string): Promise<void> {
    const name = recordNameOrNone(at);
    if (name === undefined) return;
    const gone = this.#draft();
    try {
      await rename(path.join(this.directory, name), gone);
      await removeFlat(gone);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw berthError(
        'BERTH_KATA_RECORD_FAILED',
        { path: at, why: reasonOf(error), directory: this.directory },
        error,
      );
    }
  }

  /** Every record, ours and others'; none where there is no such directory. */
  async all(): Promise<readonly FoundRecord[]> {
    const found: FoundRecord[] = [];
    for (const name of await this.#names()) {
      const at = pathOfName(name);
      const record = at === undefined ? undefined : await this.read(at);
      if (record !== undefined) found.push(record);
    }
    return found;
  }

  /**
   * The sandbox that took the volume, by the name of the empty file that the Go runtime leaves beside the record;
   * undefined before that, and with runtime-rs always.
   */
  async sandboxOf(at: string): Promise<string | undefined> {
    const names = await readdir(path.join(this.directory, recordName(at))).catch(() => []);
    return names.find((name) => name !== MOUNT_INFO);
  }

  /** At start: what a crash left between two renames. */
  async sweep(): Promise<void> {
    for (const name of await this.#names())
      if (name.startsWith(DRAFT)) await removeFlat(path.join(this.directory, name)).catch(() => undefined);
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  async #text(directory: string): Promise<string | undefined> {
    try {
      return await readFile(path.join(directory, MOUNT_INFO), 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  #draft(): string {
    return path.join(this.directory, `${DRAFT}${randomBytes(8).toString('hex')}`);
  }
}

/** A directory cannot be renamed over one that holds something: then the file alone takes the place of the old one. */
async function moveOver(draft: string, final: string): Promise<void> {
  try {
    await rename(draft, final);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    await rename(path.join(draft, MOUNT_INFO), path.join(final, MOUNT_INFO));
  }
}

/** Files only, and never a level deeper: a record holds nothing else. */
async function removeFlat(directory: string): Promise<void> {
  if ((await lstat(directory).catch(() => undefined)) === undefined) return;
  for (const name of await readdir(directory)) await unlink(path.join(directory, name));
  await rmdir(directory);
}

const reasonOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : 'failed');
