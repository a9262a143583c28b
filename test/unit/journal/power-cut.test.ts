/** A note that nobody waited for, and the power is cut: the entry that was written before it comes back, whole. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../src/journal/entry.js';
import { Journal } from '../../../src/journal/journal.js';
import { KeptEntries } from '../../../src/journal/kept-entries.js';

const entry = (state: JournalEntry['state'], volume = 'v'): JournalEntry => ({
  ...{ version: 1, volume, fsid: 'f', stagingPath: '/s', state, mode: 'SINGLE_NODE_WRITER' },
  ...{ access: 'block', readOnly: false, flagsDigest: '', mapper: 'krbd', holdsRecord: false, targets: {}, since: '' },
});

let scratch: string;
let directory: string;
let kept: string;
beforeEach(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'berth-power-'));
  [directory, kept] = [path.join(scratch, 'journal'), path.join(scratch, 'journal.kept')];
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** A driver's journal in a boot of this name. */
async function inBoot(boot: string): Promise<Journal> {
  const journal = new Journal(directory, new KeptEntries(kept, boot));
  await journal.open();
  return journal;
}

const onlyFile = async (): Promise<string> => path.join(directory, (await readdir(directory))[0]!);
const keptFiles = (): Promise<string[]> => readdir(kept).catch(() => []);

/** The names have come to the disk, and of the bytes so many. */
async function tear(bytes: number): Promise<void> {
  const file = await onlyFile();
  const text = await readFile(file);
  // A file of its own: what is kept is another one.
  await rm(file);
  await writeFile(file, text);
  await truncate(file, bytes);
}

describe('after a power cut', () => {
  it.each([0, 1, 100])('that left %i bytes of a note, the entry of before counts, durably', async (bytes) => {
    const journal = await inBoot('one');
    await journal.write(entry('staging'));
    await journal.note(entry('staged'));
    await journal.note(entry('unstaging'));
    await tear(bytes);
    const next = await inBoot('two');
    expect(await next.read('v')).toEqual(entry('staging'));
    expect(await next.all()).toEqual({ entries: [entry('staging')], unreadable: [] });
    expect(await keptFiles()).toEqual([]);
  });

  it('that left a note whole, the note counts', async () => {
    const journal = await inBoot('one');
    await journal.write(entry('staging'));
    await journal.note(entry('staged'));
    expect(await (await inBoot('two')).read('v')).toEqual(entry('staged'));
    expect(await keptFiles()).toEqual([]);
  });

  it('that left what was kept of an entry that was forgotten, there is none', async () => {
    const journal = await inBoot('one');
    await journal.write(entry('staging'));
    await journal.note(entry('unstaging'));
    await rm(await onlyFile());
    const next = await inBoot('two');
    expect(await next.all()).toEqual({ entries: [], unreadable: [] });
    expect(await keptFiles()).toEqual([]);
  });

  it('an entry that was written since is not what was kept before it', async () => {
    const journal = await inBoot('one');
    await journal.write(entry('staging'));
    await journal.note(entry('staged'));
    await journal.write(entry('unstaging'));
    expect(await keptFiles()).toEqual([]);
    await tear(0);
    // Its bytes were on the disk: this is other damage, for a person to look at.
    await expect((await inBoot('two')).read('v')).rejects.toMatchObject({ code: 'BERTH_JOURNAL_UNREADABLE' });
  });
});

describe('without a power cut', () => {
  it('a driver that is killed after a note loses nothing, and its next life keeps nothing old', async () => {
    const journal = await inBoot('one');
    await journal.write(entry('staging'));
    await journal.note(entry('staged'));
    const next = await inBoot('one');
    expect(await next.read('v')).toEqual(entry('staged'));
    expect(await keptFiles()).toEqual([]);
  });

  it('a damaged entry stays damaged: the kernel has what it was about, an old one would undo it wrongly', async () => {
    const journal = await inBoot('one');
    await journal.write(entry('staging'));
    await journal.note(entry('staged'));
    await tear(7);
    for (const again of [await inBoot('one'), await inBoot('one')])
      await expect(again.read('v')).rejects.toMatchObject({ code: 'BERTH_JOURNAL_UNREADABLE' });
  });

  it('nothing is kept of what was removed, forgotten or set aside', async () => {
    const journal = await inBoot('one');
    for (const end of ['remove', 'forget', 'setAside'] as const) {
      await journal.write(entry('staging'));
      await journal.note(entry('unstaging'));
      expect(await keptFiles()).toHaveLength(1);
      await journal[end]('v');
      expect(await keptFiles(), end).toEqual([]);
    }
  });

  it('entries of many volumes are kept apart', async () => {
    const journal = await inBoot('one');
    for (const volume of ['a', 'b']) {
      await journal.write(entry('staging', volume));
      await journal.note(entry('staged', volume));
    }
    await journal.remove('a');
    expect(await keptFiles()).toHaveLength(1);
    expect((await (await inBoot('two')).all()).entries).toEqual([entry('staged', 'b')]);
  });
});
