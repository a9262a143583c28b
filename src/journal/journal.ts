/**
 * The node's journal: one file a volume, written whole and renamed into place,
 * so that a crash leaves the old or the new.
 */
import { createHash } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectories } from '../host/make-directories.js';
import { berthError } from '../model/errors.js';
import { settleAll } from '../model/settle-all.js';
import { newerVersion, VERSION, whyNotEntry, type JournalEntry } from './entry.js';

const SUFFIX = '.json';
const DRAFT = '.tmp';
const DAMAGED = '.damaged';

export class Journal {
  readonly #directory: string;

  /** @param directory on a local disk that survives a restart of the plugin */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    await makeDirectories(this.#directory, 0o700);
    // What a crash left between write and rename was never an entry; on a disk that takes nothing any more it may stay.
    const drafts = (await readdir(this.#directory)).filter((name) => name.endsWith(DRAFT));
    for (const name of drafts) await rm(join(this.#directory, name), { force: true }).catch(() => undefined);
  }

  /**
   * The entry of a volume; undefined where there is none. BERTH_JOURNAL_UNREADABLE where there is one that cannot be
   * trusted, BERTH_JOURNAL_NEWER where a later version of Berth wrote it: that one may mean things which this one would
   * undo wrongly.
   */
  async read(volume: string): Promise<JournalEntry | undefined> {
    const file = this.#file(volume);
    const entry = await this.#parse(file);
    if (entry === undefined || entry.volume === volume) return entry;
    // Copied or restored by somebody: acting on it would undo another volume.
    throw berthError('BERTH_JOURNAL_UNREADABLE', { file, why: `it is about ${entry.volume}` });
  }

  /**
   * Write the entry durably before the act that it announces;
   * BERTH_JOURNAL_WRITE_FAILED means that the act must not begin.
   */
  async write(entry: JournalEntry): Promise<void> {
    await this.#put(entry, () => this.#syncDirectory());
  }

  /**
   * As {@link write}, but a power cut may bring back the entry that was there before, whole; a driver that is killed
   * loses nothing. For what ends with the power by itself (a mount, a mapping), of a volume that has an entry already.
   * Half the price of a write: nobody waits for the directory's blocks.
   */
  async note(entry: JournalEntry): Promise<void> {
    await this.#put(entry, () => Promise.resolve());
  }

  /** Durably. */
  async remove(volume: string): Promise<void> {
    const file = this.#file(volume);
    try {
      await rm(file, { force: true });
      await this.#syncDirectory();
    } catch (error) {
      throw berthError('BERTH_JOURNAL_WRITE_FAILED', { file, why: reason(error) }, error);
    }
  }

  /**
   * As {@link remove}, but a power cut may bring the entry back: for one with which nothing is left to do but to forget
   * it, so that doing so again does no harm.
   */
  async forget(volume: string): Promise<void> {
    const file = this.#file(volume);
    await rm(file, { force: true }).catch((error: unknown) => {
      throw berthError('BERTH_JOURNAL_WRITE_FAILED', { file, why: reason(error) }, error);
    });
  }

  /**
   * Keep an entry that cannot be trusted for a person to look at,
   * out of the way of the next one; BERTH_JOURNAL_WRITE_FAILED.
   */
  async setAside(volume: string): Promise<void> {
    const file = this.#file(volume);
    try {
      await rename(file, file.slice(0, -SUFFIX.length) + DAMAGED);
      await this.#syncDirectory();
    } catch (error) {
      throw berthError('BERTH_JOURNAL_WRITE_FAILED', { file, why: reason(error) }, error);
    }
  }

  /** Every readable entry, and the files that are not. */
  async all(): Promise<{ readonly entries: readonly JournalEntry[]; readonly unreadable: readonly string[] }> {
    const entries: JournalEntry[] = [];
    const unreadable: string[] = [];
    for (const name of (await readdir(this.#directory)).filter((one) => one.endsWith(SUFFIX)).sort()) {
      const file = join(this.#directory, name);
      const entry = await this.#parse(file).catch(() => 'unreadable' as const);
      if (entry === 'unreadable') unreadable.push(file);
      else if (entry !== undefined) entries.push(entry);
    }
    return { entries, unreadable };
  }

  /**
   * A volume handle has slashes and up to 128 bytes;
   * the digest keeps file names flat, the handle stands inside the file.
   */
  #file(volume: string): string {
    return join(this.#directory, `${createHash('sha256').update(volume).digest('hex').slice(0, 32)}${SUFFIX}`);
  }

  async #parse(file: string): Promise<JournalEntry | undefined> {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw berthError('BERTH_JOURNAL_UNREADABLE', { file, why: reason(error) }, error);
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw berthError('BERTH_JOURNAL_UNREADABLE', { file, why: 'not JSON' }, error);
    }
    const have = newerVersion(value);
    if (have !== undefined) throw berthError('BERTH_JOURNAL_NEWER', { file, have, known: VERSION });
    const why = whyNotEntry(value);
    if (why !== undefined) throw berthError('BERTH_JOURNAL_UNREADABLE', { file, why });
    const { sum, ...entry } = value as JournalEntry & { readonly sum?: string };
    // A damaged cluster id or path would still look like one. Entries of an earlier Berth, and those that a person
    // wrote, have no sum.
    if (sum !== undefined && sum !== sumOf(entry))
      throw berthError('BERTH_JOURNAL_UNREADABLE', { file, why: 'its sum is wrong' });
    return entry;
  }

  /** The old entry or the new one, whatever is cut short: the new one's bytes are on the disk before its name is. */
  async #put(entry: JournalEntry, end: () => Promise<void>): Promise<void> {
    const file = this.#file(entry.volume);
    const draft = `${file}${DRAFT}`;
    try {
      const handle = await open(draft, 'w', 0o600);
      const written = handle
        .writeFile(`${JSON.stringify({ ...entry, sum: sumOf(entry) }, undefined, 2)}\n`)
        .then(() => handle.sync());
      // To close it tells nothing that the sync has not told.
      await settleAll(
        written.then(() => rename(draft, file)),
        written.finally(() => handle.close()),
      );
      await end();
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw berthError('BERTH_JOURNAL_WRITE_FAILED', { file, why: reason(error) }, error);
    }
  }

  async #syncDirectory(): Promise<void> {
    const handle = await open(this.#directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'failed';

const sumOf = (entry: JournalEntry): string =>
  createHash('sha256').update(JSON.stringify(entry)).digest('hex').slice(0, 16);
