/** Whether a volume may be handed over: every state in which this node can have it, from facts alone. */
import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import {
  decideHandOver,
  type HandOverAsked,
  type HandOverFacts,
} from '../../../../../src/volume/node/handover/decide-hand-over.js';
import { entry, VOLUME } from '../../../reconcile/node-facts-fixture.js';

const HERE = '/pods/a/volumes/v';
const THERE = '/var/lib/kubelet/pods/9fbb4e4d-7d1b-4c3c-9a52-55a3e7b1f3c1/volumes/v';
const asked = { volume: VOLUME, directory: HERE, fsType: 'ext4', isTypeAsked: true, readOnly: false } as const;

const decide = (facts: Partial<HandOverFacts>, more: Partial<HandOverAsked> = {}) =>
  decideHandOver(
    { ...asked, ...more },
    {
      entry: undefined,
      device: undefined,
      hasFile: false,
      holder: undefined,
      bootId: 'b1',
      ...facts,
    },
  );
const handed = (other: Partial<JournalEntry> = {}): JournalEntry =>
  entry({ handedTo: 'hyperd', stagingPath: HERE, ...other });
const ours = { state: 'staged', bootId: 'b1' } as const;

describe('a hand-over is prepared', () => {
  it.each<[string, Partial<HandOverFacts>]>([
    ['where this node knows nothing of the volume', {}],
    ['where it was staged, and is not mapped any more', { entry: entry() }],
    ['where another pod’s hand-over has lost its file', { entry: handed({ stagingPath: THERE }) }],
    [
      'where another pod’s is being reclaimed',
      { entry: handed({ stagingPath: THERE, state: 'unstaging' }), hasFile: true },
    ],
    ['where an earlier try here was cut short', { entry: handed({ state: 'staging', fsType: 'xfs' }) }],
    ['where it is being reclaimed here', { entry: handed({ state: 'unstaging' }) }],
    ['where no record says that it is ours', { entry: handed() }],
    ['where the record is of another boot', { entry: handed(), holder: { ...ours, bootId: 'b0' } }],
    ['where the volume was granted anew', { entry: handed(), holder: { ...ours, state: 'granted' } }],
  ])('%s', (_what, facts) => {
    expect(decide(facts)).toBe('prepare');
  });
});

it('only its file is written where it is handed over here in this boot, for a guest may have it open', () => {
  expect(decide({ entry: handed(), holder: ours })).toBe('renew file');
});

it('only its file is written where nobody asks for a filesystem, whatever it has', () => {
  const facts = { entry: handed({ fsType: 'xfs' }), holder: ours };
  expect(decide(facts, { isTypeAsked: false })).toBe('renew file');
});

describe('a hand-over is refused', () => {
  const inUse = 'BERTH_VOLUME_IN_USE';
  const otherwise = 'BERTH_PUBLISHED_OTHERWISE';
  it.each<[string, Partial<HandOverFacts>, string, RegExp]>([
    ['of a device that no journal knows', { device: '/dev/rbd0' }, inUse, /it is mapped as \/dev\/rbd0/],
    ['of a staged device', { entry: entry(), device: '/dev/rbd0' }, inUse, /\/dev\/rbd0, for .*globalmount/],
    ['of another pod’s', { entry: handed({ stagingPath: THERE }), hasFile: true }, inUse, /pod 9fbb4e4d-.*, by \/var/],
    ['as another filesystem', { entry: handed({ fsType: 'xfs' }), holder: ours }, otherwise, /filesystem/],
    ['for reading only', { entry: handed({ readOnly: true }), holder: ours }, otherwise, /readonly flag/],
  ])('%s', (_what, facts, code, says) => {
    expect(() => decide(facts)).toThrow(says);
    expect(() => decide(facts)).toThrow(new RegExp(`^${code}`));
  });
});
