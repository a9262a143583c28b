/** A node's journal as its files show it, while a driver runs or not. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { JournalEntry } from '../../src/journal/entry.js';

/** But for what was set aside. */
export const journalFiles = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory)).filter((name) => !name.endsWith('.damaged'));

/** The state in the volume's entry, with the number of targets: `staged 1`. */
export async function journalOf(directory: string, id: string): Promise<string | undefined> {
  for (const name of await journalFiles(directory)) {
    const entry = JSON.parse(await readFile(path.join(directory, name), 'utf8')) as JournalEntry;
    if (entry.volume === id) return `${entry.state} ${Object.keys(entry.targets).length}`;
  }
  return undefined;
}

/** Every entry becomes a file of zero bytes, as a power loss leaves it. */
export async function damageJournal(directory: string): Promise<void> {
  for (const name of await journalFiles(directory)) await writeFile(path.join(directory, name), '');
}
