/** A state directory without space: the write says so, the old entry stays, and nothing is left lying about. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JournalEntry } from '../../../src/journal/entry.js';
import { Journal } from '../../../src/journal/journal.js';

const entry: JournalEntry = {
  ...{ version: 1, volume: 'v', fsid: 'f', stagingPath: '/s', state: 'staging', mode: 'SINGLE_NODE_WRITER' },
  ...{ access: 'block', readOnly: false, flagsDigest: '', mapper: 'krbd', holdsRecord: false, targets: {}, since: '' },
};

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k,mode=700', 'berth-test', directory]);
});
afterEach(async () => {
  execFileSync('umount', [directory]);
  await rm(directory, { recursive: true, force: true });
});

it('refuses the write, keeps the old entry and leaves no draft', async () => {
  const journal = new Journal(directory);
  await journal.open();
  await journal.write(entry);
  await writeFile(path.join(directory, 'fill'), Buffer.alloc(16_384)).catch(() => undefined);
  const write = journal.write({ ...entry, state: 'staged' });
  await expect(write).rejects.toMatchObject({ code: 'BERTH_JOURNAL_WRITE_FAILED', status: 'INTERNAL' });
  await expect(write).rejects.toThrow(/ENOSPC/);
  expect(await journal.read('v')).toEqual(entry);
  expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  // The way out of a full disk must not need space itself.
  await journal.remove('v');
  expect(await journal.read('v')).toBeUndefined();
});

it('says it where the directory is gone', async () => {
  const journal = new Journal(path.join(directory, 'gone'));
  expect(await journal.read('v')).toBeUndefined();
  await expect(journal.write(entry)).rejects.toMatchObject({ code: 'BERTH_JOURNAL_WRITE_FAILED' });
});
