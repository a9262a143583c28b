/** A stage is announced while it is still asked whether it may be, and a refused one leaves no entry. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { Journal } from '../../../../src/journal/journal.js';
import { berthError } from '../../../../src/model/errors.js';
import { announceBeside } from '../../../../src/volume/node/stage/announce-stage.js';

let directory: string;
let journal: Journal;
let steps: string[];
const log = { warn: vi.fn() };

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-announce-'));
  journal = new Journal(path.join(directory, 'journal'));
  await journal.open();
  steps = [];
  log.warn.mockClear();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const intent = (): JournalEntry => ({
  ...{ version: 1, volume: 'v', fsid: 'f', stagingPath: path.join(directory, 'stage'), state: 'staging' },
  ...{ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, flagsDigest: '', mapper: 'krbd' },
  ...{ holdsRecord: true, targets: {}, since: '' },
});
const operation = { step: (name: string) => void steps.push(name), straggler: () => undefined };
const announced = (asking: Promise<unknown>): Promise<void> =>
  announceBeside({ journal, log }, intent(), asking, operation);
const inUse = berthError('BERTH_VOLUME_IN_USE', { volume: 'v', who: 'client.66' });

it('is written before it is known whether the stage may be, and waits for that', async () => {
  let allow: () => void = () => undefined;
  const asking = new Promise<void>((resolve) => (allow = resolve));
  let isOver = false;
  const over = announced(asking).then(() => (isOver = true));
  await expect.poll(() => journal.read('v')).toEqual(intent());
  expect(isOver).toBe(false);
  allow();
  await over;
  expect(steps).toEqual(['write intent']);
  expect(await readdir(directory)).toContain('stage');
});

it('goes again where the stage is refused, early or late', async () => {
  const late = (): Promise<never> => new Promise((_, reject) => setTimeout(() => reject(inUse), 50));
  // Made in its turn: nobody listens to one that is refused before.
  for (const ask of [() => Promise.reject(inUse), late]) {
    await expect(announced(ask())).rejects.toBe(inUse);
    expect(await readdir(path.join(directory, 'journal'))).toEqual([]);
  }
  expect(steps).toEqual(['write intent', 'undo journal', 'write intent', 'undo journal']);
  expect(log.warn).not.toHaveBeenCalled();
});

it('goes again where the staging path cannot be made', async () => {
  await writeFile(path.join(directory, 'stage'), 'a file');
  await expect(announced(Promise.resolve())).rejects.toMatchObject({ code: 'BERTH_TARGET_OCCUPIED' });
  await expect(announced(Promise.reject(inUse))).rejects.toBe(inUse);
  expect(await readdir(path.join(directory, 'journal'))).toEqual([]);
});

it('that cannot be written is an error, after the refusal where there is one', async () => {
  await rm(path.join(directory, 'journal'), { recursive: true });
  await expect(announced(Promise.resolve())).rejects.toMatchObject({ code: 'BERTH_JOURNAL_WRITE_FAILED' });
  await expect(announced(Promise.reject(inUse))).rejects.toBe(inUse);
});

it('is not written where the staging path cannot be made', async () => {
  await writeFile(path.join(directory, 'stage'), 'a file');
  await expect(announced(Promise.resolve())).rejects.toMatchObject({ code: 'BERTH_TARGET_OCCUPIED' });
  expect(await journal.read('v')).toBeUndefined();
});
