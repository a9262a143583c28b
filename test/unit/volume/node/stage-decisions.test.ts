/** What an entry of the journal means for a stage: pure decisions of facts. */
import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { flagsDigest } from '../../../../src/journal/flags-digest.js';
import type { Capability } from '../../../../src/model/capability.js';
import { isOfNoUse, meaningOfEntry } from '../../../../src/volume/node/stage-decisions.js';

const capability: Capability = {
  access: { kind: 'mount', fsType: 'ext4', mountFlags: ['noatime'], group: '' },
  mode: 'SINGLE_NODE_WRITER',
};
const asked = { stagingPath: '/staging', capability, readOnly: false };
const entry: JournalEntry = {
  version: 1,
  volume: 'c1/rbd/v',
  fsid: 'f',
  stagingPath: '/staging',
  state: 'staged',
  mode: 'SINGLE_NODE_WRITER',
  access: 'mount',
  readOnly: false,
  fsType: 'ext4',
  flagsDigest: flagsDigest(capability),
  mapper: 'krbd',
  holdsRecord: true,
  targets: {},
  since: '2026-01-01T00:00:00.000Z',
};
const there = { isMapped: true, isMounted: true };

describe('NodeStage, an entry in the journal', () => {
  it('as asked, and in the kernel: staged', () => {
    expect(meaningOfEntry(entry, there, asked)).toEqual({ is: 'staged' });
  });

  it('as asked, left to a guest: staged without a mount', () => {
    const guest = { mounted: false, written: true, allowHostMount: false };
    expect(meaningOfEntry({ ...entry, guest }, { isMapped: true, isMounted: false }, asked)).toEqual({ is: 'staged' });
  });

  it.each([
    ['no mapping', entry, { isMapped: false, isMounted: false }],
    ['no mount', entry, { isMapped: true, isMounted: false }],
    ['never confirmed', { ...entry, state: 'staging' } as const, there],
  ])('%s: unfinished, whatever is asked', (_what, one, facts) => {
    expect(meaningOfEntry(one, facts, asked)).toEqual({ is: 'unfinished' });
    expect(meaningOfEntry(one, facts, { ...asked, readOnly: true })).toEqual({ is: 'unfinished' });
  });

  it.each([
    ['staging path', { ...asked, stagingPath: '/elsewhere' }],
    ['access type', { ...asked, capability: { ...capability, access: { kind: 'block' } } }],
    ['access mode', { ...asked, capability: { ...capability, mode: 'SINGLE_NODE_MULTI_WRITER' } }],
    ['readonly flag', { ...asked, readOnly: true }],
    ['filesystem', { ...asked, capability: { ...capability, access: { ...capability.access, fsType: 'xfs' } } }],
    [
      'set of mount flags',
      { ...asked, capability: { ...capability, access: { ...capability.access, mountFlags: [] } } },
    ],
  ] as [string, typeof asked][])('another %s: staged otherwise, and of no use to go on from', (difference, other) => {
    expect(meaningOfEntry(entry, there, other)).toEqual({ is: 'staged otherwise', difference });
    expect(isOfNoUse(entry, other, 'krbd')).toBe(true);
  });

  it('as asked: of use by the same mapper, of none by another', () => {
    expect(isOfNoUse(entry, asked, 'krbd')).toBe(false);
    expect(isOfNoUse(entry, asked, 'nbd')).toBe(true);
  });
});
