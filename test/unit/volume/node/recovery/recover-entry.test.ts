/**
 * Acts of reconciliation look again under the volume's key: what changed since they were decided upon is left as it is
 * now.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import { Deadline } from '../../../../../src/model/deadline.js';
import { dropMapping } from '../../../../../src/volume/node/recovery/drop-mapping.js';
import { forgetEntry } from '../../../../../src/volume/node/recovery/forget-entry.js';
import { returnRecord } from '../../../../../src/volume/node/recovery/return-records.js';
import { takeDownEntry } from '../../../../../src/volume/node/recovery/take-down-entry.js';
import { recoveryNode, type RecoveryNode } from './recovery-node.js';
import { entry, mapping, VOLUME } from '../../../reconcile/node-facts-fixture.js';

const soon = (): Deadline => Deadline.after(60_000);

let at: RecoveryNode;
let target: string;
let own: JournalEntry;

beforeEach(async () => {
  at = await recoveryNode();
  target = path.join(at.directory, 'target');
  const targets = { [target]: { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } as const;
  own = entry({ stagingPath: path.join(at.directory, 'staging'), access: 'block', targets });
  await at.parts.journal.write(own);
  await writeFile(target, '');
});

const read = () => at.parts.journal.read(VOLUME);

describe.each([
  ['taking down', takeDownEntry],
  ['forgetting', forgetEntry],
  ['giving back', returnRecord],
] as const)('%s', (_name, act) => {
  it('does nothing where the entry is another by now', async () => {
    const next = { ...own, since: '2026-01-01T00:00:00Z' };
    await at.parts.journal.write(next);
    at.mappings.push(mapping().mapping);
    expect(await act(at.parts, own, soon())).toBe('changed');
    expect(await read()).toEqual(next);
    expect(at.mappings).toHaveLength(1);
  });

  it('does nothing where the entry is gone', async () => {
    await at.parts.journal.remove(VOLUME);
    expect(await act(at.parts, own, soon())).toBe('changed');
    expect(await read()).toBeUndefined();
  });
});

describe('an entry', () => {
  it('is forgotten with the empty target that it made', async () => {
    expect(await forgetEntry(at.parts, own, soon())).toBe('done');
    expect(await read()).toBeUndefined();
    expect(await readdir(at.directory)).toEqual(['journal']);
  });

  it('is forgotten although its target holds something, which stays', async () => {
    await writeFile(target, 'not ours');
    expect(await forgetEntry(at.parts, own, soon())).toBe('done');
    expect(await readdir(at.directory)).toEqual(['journal', 'target']);
  });

  it('is not forgotten once its volume is mapped', async () => {
    at.mappings.push(mapping().mapping);
    expect(await forgetEntry(at.parts, own, soon())).toBe('changed');
    expect(await read()).toEqual(own);
  });

  it('is taken down to nothing', async () => {
    at.mappings.push(mapping().mapping);
    expect(await takeDownEntry(at.parts, own, soon())).toBe('done');
    expect(at.mappings).toEqual([]);
    expect(await read()).toBeUndefined();
  });

  it('with the holder record keeps that to be given back, with no cluster to ask', async () => {
    const held = { ...own, holdsRecord: true };
    await at.parts.journal.write(held);
    at.mappings.push(mapping().mapping);
    expect(await takeDownEntry(at.parts, held, soon())).toBe('done');
    expect(at.mappings).toEqual([]);
    expect(await read()).toEqual({ ...held, state: 'unstaging', targets: {} });
    expect(await returnRecord(at.parts, (await read())!, soon())).toBe('later');
    expect(await read()).toBeDefined();
  });
});

describe('a mapping without an entry', () => {
  it('is unmapped', async () => {
    await at.parts.journal.remove(VOLUME);
    at.mappings.push(mapping().mapping);
    expect(await dropMapping(at.parts, mapping().mapping, VOLUME, soon())).toBe('done');
    expect(at.mappings).toEqual([]);
  });

  it('stays where the journal knows it by now', async () => {
    at.mappings.push(mapping().mapping);
    expect(await dropMapping(at.parts, mapping().mapping, VOLUME, soon())).toBe('changed');
    expect(at.mappings).toHaveLength(1);
  });

  it('stays where its device is another image’s by now', async () => {
    at.mappings.push(mapping({ device: '/dev/rbd9' }).mapping);
    expect(await dropMapping(at.parts, mapping().mapping, undefined, soon())).toBe('changed');
    expect(at.mappings).toHaveLength(1);
  });

  it('stays, and the reason is told, where the journal cannot say', async () => {
    const [file] = await readdir(path.join(at.directory, 'journal'));
    await mkdir(path.join(at.directory, 'journal'), { recursive: true });
    await writeFile(path.join(at.directory, 'journal', file!), 'broken');
    await expect(dropMapping(at.parts, mapping().mapping, VOLUME, soon())).rejects.toThrow(/JOURNAL_UNREADABLE/);
  });
});
