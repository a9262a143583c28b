/** Who may hold a volume: every combination of record and request against the rule, written down a second time. */
import { describe, expect, it } from 'vitest';
import { decideAttach, withoutHolder, type AttachRequest } from '../../../src/attachment/decide-attach.js';
import type { Holder, HolderRecord } from '../../../src/attachment/holder-record.js';
import { ACCESS_MODES, type AccessMode } from '../../../src/model/capability.js';
import { nodeNamed } from '../../fakes/node-named.js';

const NOW = '2026-01-02T03:04:05.000Z';
const BEFORE = '2025-12-31T00:00:00.000Z';
const ACCESSES = ['block', 'mount'] as const;
const FLAGS = [false, true];

interface Way {
  readonly mode: AccessMode;
  readonly access: 'block' | 'mount';
  readonly readOnly: boolean;
}

const ways: readonly Way[] = ACCESS_MODES.flatMap((mode) =>
  ACCESSES.flatMap((access) => FLAGS.map((readOnly) => ({ mode, access, readOnly }))),
);

const holder = (node: string): Holder => ({ node, since: BEFORE, by: 'controller' });
const recordOf = (way: Way, first: string, ...others: string[]): HolderRecord => ({
  version: 1,
  ...way,
  holders: [holder(first), ...others.map(holder)],
});
const ask = (way: Way, node: string): AttachRequest => ({
  volume: 'c/p/i',
  node: nodeNamed(node),
  ...way,
  by: 'controller',
});

/** Modes that promise a volume to more than one node, spelt out. */
const SHARED: readonly AccessMode[] = ['MULTI_NODE_READER_ONLY', 'MULTI_NODE_SINGLE_WRITER', 'MULTI_NODE_MULTI_WRITER'];
const same = (a: Way, b: Way): boolean => a.mode === b.mode && a.access === b.access && a.readOnly === b.readOnly;

describe('an attach', () => {
  it.each(ways)('of a volume that nobody holds is granted: $mode, $access, readOnly $readOnly', (way) => {
    const next = {
      version: 1,
      image: 'p/i',
      ...way,
      holders: [{ node: 'a', since: NOW, by: 'controller', state: 'granted' }],
    };
    expect(decideAttach(undefined, ask(way, 'a'), NOW)).toEqual({ kind: 'write', next });
  });

  it('by the node that holds it ends the wish that it be detached, and changes nothing else', () => {
    for (const way of ways) {
      const record = recordOf(way, 'a');
      const wanted = { ...record, holders: [{ ...record.holders[0], detachWanted: BEFORE }] } as const;
      expect(decideAttach(wanted, ask(way, 'a'), NOW)).toEqual({ kind: 'write', next: record });
    }
  });

  it('by the node that holds it is a success in the same way and refused in any other', () => {
    for (const had of ways) {
      for (const way of ways) {
        const decision = decideAttach(recordOf(had, 'a'), ask(way, 'a'), NOW);
        if (same(had, way)) expect(decision).toEqual({ kind: 'held' });
        else expect(decision).toMatchObject({ kind: 'refused', error: { code: 'BERTH_PUBLISHED_OTHERWISE' } });
      }
    }
  });

  it('by another node is granted only where both were promised company in the very same way', () => {
    for (const had of ways) {
      for (const way of ways) {
        const record = recordOf(had, 'a');
        const decision = decideAttach(record, ask(way, 'b'), NOW);
        if (SHARED.includes(way.mode) && same(had, way)) {
          const holders = [holder('a'), { node: 'b', since: NOW, by: 'controller', state: 'granted' }];
          expect(decision).toEqual({ kind: 'write', next: { ...record, holders } });
        } else {
          expect(decision).toMatchObject({ kind: 'refused', error: { code: 'BERTH_VOLUME_HELD' } });
        }
      }
    }
  });

  it('that is refused names the first holder and since when', () => {
    const way: Way = { mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false };
    const decision = decideAttach(recordOf(way, 'node-one'), ask(way, 'node-two'), NOW);
    const message = expect.stringContaining(`is attached to node node-one since ${BEFORE}`) as string;
    expect(decision).toMatchObject({ error: { message, status: 'FAILED_PRECONDITION' } });
  });

  it.each<[string, Partial<Way>]>([
    ['access type', { access: 'block' }],
    ['access mode', { mode: 'SINGLE_NODE_MULTI_WRITER' }],
    ['readonly flag', { readOnly: true }],
  ])('in another way names the %s', (what, other) => {
    const way: Way = { mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false };
    const decision = decideAttach(recordOf(way, 'a'), ask({ ...way, ...other }, 'a'), NOW);
    const message = expect.stringContaining(`another ${what}`) as string;
    expect(decision).toMatchObject({ error: { message, status: 'ALREADY_EXISTS' } });
  });

  it('never changes the record that it was given', () => {
    const record = recordOf({ mode: 'MULTI_NODE_READER_ONLY', access: 'block', readOnly: true }, 'a');
    const before = structuredClone(record);
    decideAttach(record, ask(record, 'b'), NOW);
    expect(record).toEqual(before);
  });

  it('remembers who asked', () => {
    const decision = decideAttach(undefined, { ...ask(ways[0]!, 'a'), by: 'node' }, NOW);
    expect(decision).toMatchObject({ next: { holders: [{ by: 'node' }] } });
  });
});

describe('a detach', () => {
  const three = recordOf({ mode: 'MULTI_NODE_READER_ONLY', access: 'mount', readOnly: true }, 'a', 'b', 'c');

  it('leaves what nobody holds as it is', () => {
    expect(withoutHolder(undefined, nodeNamed('a'))).toBe('keep');
  });

  it('of a node that does not hold it changes nothing', () => {
    expect(withoutHolder(three, nodeNamed('d'))).toBe('keep');
  });

  it.each(['a', 'b', 'c'])('of %s leaves the others with their times', (node) => {
    const left = three.holders.filter((one) => one.node !== node);
    expect(withoutHolder(three, nodeNamed(node))).toEqual({ ...three, holders: left });
  });

  it('of the last holder leaves nothing', () => {
    expect(withoutHolder(recordOf(three, 'a'), nodeNamed('a'))).toBeUndefined();
  });
});
