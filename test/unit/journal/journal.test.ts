/**
 * The journal: an entry is old or new but never half, what cannot be trusted is said, and volumes never share a file.
 */
import { mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JournalEntry } from '../../../src/journal/entry.js';
import { Journal } from '../../../src/journal/journal.js';

const entry = (volume: string, more: Partial<JournalEntry> = {}): JournalEntry => ({
  ...{ version: 1, volume, fsid: 'f', stagingPath: '/s', state: 'staged', mode: 'SINGLE_NODE_WRITER' },
  ...{ access: 'mount', readOnly: false, fsType: 'ext4', flagsDigest: '', mapper: 'krbd', holdsRecord: false },
  ...{ targets: {}, since: '2026-01-01T00:00:00.000Z' },
  ...more,
});

let directory: string;
let journal: Journal;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-journal-'));
  journal = new Journal(directory);
  await journal.open();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const files = async (): Promise<string[]> => (await readdir(directory)).sort();
const onlyFile = async (): Promise<string> => path.join(directory, (await files())[0]!);

describe('the journal', () => {
  it('gives back what was written, the newest', async () => {
    const targets = { '/t': { readOnly: true, mode: 'SINGLE_NODE_WRITER' } } as const;
    await journal.write(entry('c/p/i'));
    await journal.write(entry('c/p/i', { state: 'unstaging', targets }));
    expect(await journal.read('c/p/i')).toEqual(entry('c/p/i', { state: 'unstaging', targets }));
    expect(await journal.read('c/p/j')).toBeUndefined();
    expect(await files()).toHaveLength(1);
  });

  it('waits for the disk twice where it must survive a power cut, once for a note, and never to forget', async () => {
    const handle = await open(directory, 'r');
    const sync = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'sync');
    await handle.close();
    const costs = async (act: () => Promise<void>): Promise<number> => {
      sync.mockClear();
      await act();
      return sync.mock.calls.length;
    };
    expect(await costs(() => journal.write(entry('v')))).toBe(2);
    expect(await costs(() => journal.note(entry('v', { state: 'unstaging' })))).toBe(1);
    expect(await journal.read('v')).toEqual(entry('v', { state: 'unstaging' }));
    expect(await costs(() => journal.forget('v'))).toBe(0);
    expect(await journal.read('v')).toBeUndefined();
    expect(await costs(() => journal.forget('v'))).toBe(0);
    expect(await costs(() => journal.remove('v'))).toBe(1);
  });

  it('forgets, also twice', async () => {
    await journal.write(entry('v'));
    await journal.remove('v');
    await journal.remove('v');
    expect(await journal.read('v')).toBeUndefined();
    expect(await files()).toEqual([]);
  });

  it('is for root alone', async () => {
    await rm(directory, { recursive: true });
    await journal.open();
    await journal.write(entry('v'));
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(await onlyFile())).mode & 0o777).toBe(0o600);
  });

  it('is opened again over what is there', async () => {
    await journal.write(entry('v'));
    const next = new Journal(directory);
    await next.open();
    expect((await next.all()).entries).toEqual([entry('v')]);
  });

  it('keeps one flat file a volume for any handle at all', async () => {
    const handles = ['../../etc/passwd', '/', '.', '', 'a\0b', 'c/p/ns/i', 'C/P/i', 'c/p/i', 'x'.repeat(4096), 'é/💥'];
    for (const one of handles) await journal.write(entry(one));
    expect(await files()).toHaveLength(handles.length);
    for (const name of await files()) expect(name).toMatch(/^[0-9a-f]{32}\.json$/);
    for (const one of handles) expect((await journal.read(one))?.volume).toBe(one);
  });

  it('never gives two volumes one file', async () => {
    const some = fc.uniqueArray(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(some, async (handles) => {
        // A lone surrogate has no UTF-8 of its own, and no handle can carry one.
        const whole = handles.filter((one) => Buffer.from(one).toString() === one);
        await Promise.all(whole.map((one) => journal.write(entry(one))));
        for (const one of whole) expect((await journal.read(one))?.volume).toBe(one);
        for (const one of whole) await journal.remove(one);
        expect(await files()).toEqual([]);
      }),
      { numRuns: 5 },
    );
  });
});

describe('after a crash', () => {
  it('between write and rename the old entry counts, and the next write takes the draft over', async () => {
    await journal.write(entry('v', { state: 'staging' }));
    const file = await onlyFile();
    await writeFile(`${file}.tmp`, JSON.stringify(entry('v', { state: 'staged' })));
    expect(await journal.read('v')).toMatchObject({ state: 'staging' });
    expect(await journal.all()).toMatchObject({ entries: [{ state: 'staging' }], unreadable: [] });
    await journal.write(entry('v', { state: 'unstaging' }));
    expect(await files()).toEqual([path.basename(file)]);
    expect(await journal.read('v')).toMatchObject({ state: 'unstaging' });
  });

  it('before the first rename there is no entry', async () => {
    await journal.write(entry('v'));
    const file = await onlyFile();
    await rm(file);
    await writeFile(`${file}.tmp`, '{"version":1');
    expect(await journal.read('v')).toBeUndefined();
    expect(await journal.all()).toEqual({ entries: [], unreadable: [] });
  });
});

describe('opening', () => {
  it('takes drafts of a crash away and nothing else', async () => {
    await journal.write(entry('v'));
    const before = await files();
    await writeFile(path.join(directory, `${'0'.repeat(32)}.json.tmp`), '{');
    await journal.open();
    expect(await files()).toEqual(before);
  });
});

describe('an entry that cannot be trusted', () => {
  const damage = async (change: (text: string) => string): Promise<void> => {
    await journal.write(entry('v'));
    const file = await onlyFile();
    await writeFile(file, change(await readFile(file, 'utf8')));
  };
  const without = (key: string) => (text: string) =>
    JSON.stringify({ ...(JSON.parse(text) as JournalEntry), [key]: undefined });
  const having = (more: object) => (text: string) => JSON.stringify({ ...(JSON.parse(text) as object), ...more });

  it.each<[string, (text: string) => string, string]>([
    ['is empty', () => '', 'not JSON'],
    ['is garbage', () => '\0\0\0', 'not JSON'],
    ['is no object', () => '[]', 'version undefined'],
    ['is null', () => 'null', 'not an object'],
    ['is of no version that ever was', having({ version: 0 }), 'version 0 is not known to this Berth'],
    ['has an unknown state', having({ state: 'moving' }), 'state moving is not known'],
    ['has an unknown mapper', having({ mapper: 'vhost' }), 'mapper vhost is not known'],
    ['has an unknown mode', having({ mode: 'ANY' }), 'mode ANY is not known'],
    ['has an unknown access', having({ access: 'file' }), 'access file is not known'],
    ['has an unknown filesystem', having({ fsType: 'btrfs' }), 'fsType btrfs is not known'],
    ['has a list of targets', having({ targets: ['/t'] }), 'targets is missing'],
    ['has a target without a mode', having({ targets: { '/t': { readOnly: true } } }), 'target /t is malformed'],
    ['has a target that is nothing', having({ targets: { '/t': null } }), 'target /t is malformed'],
    ['was changed in a word that still reads well', having({ fsid: 'other' }), 'its sum is wrong'],
    ['is about another volume', having({ volume: 'other', sum: undefined }), 'it is about other'],
    ...['volume', 'fsid', 'stagingPath', 'readOnly', 'holdsRecord', 'targets'].map(
      (key): [string, (text: string) => string, string] => [`has no ${key}`, without(key), `${key} is missing`],
    ),
  ])('because it %s is refused with its file and reason', async (_what, change, why) => {
    await damage(change);
    const read = journal.read('v');
    await expect(read).rejects.toThrow(/^BERTH_JOURNAL_UNREADABLE: journal entry \//);
    await expect(read).rejects.toThrow(why);
  });

  it('because it is of a newer version is refused with both versions', async () => {
    await damage(having({ version: 2 }));
    const read = journal.read('v');
    await expect(read).rejects.toMatchObject({ code: 'BERTH_JOURNAL_NEWER' });
    await expect(read).rejects.toThrow(/has version 2, this Berth knows version 1; .*drain/);
    expect((await journal.all()).unreadable).toEqual([await onlyFile()]);
  });

  it('because any one byte of it changed is refused, or says the same', async () => {
    const targets = { '/pods/a': { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } as const;
    const written = entry('v', { targets, mapping: { mapper: 'krbd', device: '/dev/rbd1', readOnly: false } });
    await journal.write(written);
    const file = await onlyFile();
    const bytes = await readFile(file);
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(change, async ([at, by]) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= by;
        await writeFile(file, changed);
        const read = await journal.read('v').catch((error: unknown) => error);
        if (read instanceof Error) expect(read).toMatchObject({ name: 'BerthError' });
        else expect(read).toMatchObject(written);
      }),
      { numRuns: 1_000 },
    );
  });

  it('but was written by hand without a sum is taken', async () => {
    await damage(having({ sum: undefined }));
    expect(await journal.read('v')).toEqual(entry('v'));
  });

  it('is set aside, out of the way of the next one', async () => {
    await damage(() => '{');
    const file = await onlyFile();
    await journal.setAside('v');
    expect(await files()).toEqual([path.basename(file).replace('.json', '.damaged')]);
    expect(await journal.read('v')).toBeUndefined();
    expect(await journal.all()).toEqual({ entries: [], unreadable: [] });
    await journal.write(entry('v'));
    expect(await journal.read('v')).toEqual(entry('v'));
  });

  it('because it was cut short at any length is refused', async () => {
    await journal.write(entry('v'));
    const file = await onlyFile();
    const { size } = await stat(file);
    for (let length = size - 2; length >= 0; length -= 40) {
      await truncate(file, length);
      await expect(journal.read('v')).rejects.toMatchObject({ code: 'BERTH_JOURNAL_UNREADABLE' });
    }
  });

  it('does not hide the others', async () => {
    await damage(() => '{');
    const broken = await onlyFile();
    await journal.write(entry('w'));
    expect(await journal.all()).toEqual({ entries: [entry('w')], unreadable: [broken] });
  });

  it('can be written over and removed', async () => {
    await damage(() => '{');
    await journal.write(entry('v'));
    expect(await journal.read('v')).toEqual(entry('v'));
    await damage(() => '{');
    await journal.remove('v');
    expect(await journal.read('v')).toBeUndefined();
  });
});
