/**
 * Every cause of a stuck attachment has its reason, a sentence that names what it is about, and an act only where one
 * may be tried.
 */
import { describe, expect, it } from 'vitest';
import type { ApiAttachment, ApiNode } from '../../../../src/kube/volume-attachments.js';
import { judge } from '../../../../src/diagnosis/attachment/decide-attachment.js';
import {
  attacherFinalizer,
  REASONS,
  type AttachmentFacts,
} from '../../../../src/diagnosis/attachment/attachment-facts.js';
import type { HoldersOfVolume } from '../../../../src/volume/image/read-holders.js';

const driver = 'rbd.csi.berth.dev';
const measure = { now: '2026-01-01T01:00:00Z', ageMs: 600_000, driver };
const old = '2026-01-01T00:00:00Z';
const young = '2026-01-01T00:55:00Z';
const volume = 'c1/rbd/berth-v';

const well: ApiNode = {
  view: { bootId: 'b', ready: 'true', notReadySince: undefined, outOfService: false },
  ...{ csiNode: 'registered', nodeId: 'a', inUse: [] },
};
const held = (...watchers: string[]): HoldersOfVolume => ({
  holders: [{ node: 'a', since: old, by: 'controller' }],
  elsewhere: [],
  ...{ mode: 'SINGLE_NODE_WRITER', watchers, locks: '' },
});
const by = (node: string): HoldersOfVolume => ({ ...held(), holders: [{ node, since: old, by: 'controller' }] });
const free: HoldersOfVolume = { holders: [], elsewhere: [], mode: undefined, watchers: [], locks: '' };
const attachment = (more: Partial<ApiAttachment> = {}): ApiAttachment => ({
  ...{ name: 'csi-1', uid: 'u1', resourceVersion: '5', node: 'a', nodeId: 'a', pv: 'pv-1', inlineHandle: undefined },
  ...{ attached: true, grant: undefined, since: old, deletingSince: undefined, error: undefined },
  finalizers: [attacherFinalizer(driver)],
  ...more,
});
const facts = (more: Partial<AttachmentFacts> = {}): AttachmentFacts => ({
  ...{ attachment: attachment(), pv: 'present', volume, nodeName: 'a', nodeId: 'a', node: well, image: held() },
  ...more,
});
const going = (more: Partial<AttachmentFacts> = {}, of: Partial<ApiAttachment> = {}): AttachmentFacts =>
  facts({ attachment: attachment({ deletingSince: old, ...of }), ...more });
const coming = (more: Partial<AttachmentFacts> = {}, of: Partial<ApiAttachment> = {}): AttachmentFacts =>
  facts({ attachment: attachment({ attached: false, ...of }), image: free, ...more });
/** As a stage of an earlier Berth that came late left it. */
const taken = (...watchers: string[]): HoldersOfVolume => ({
  ...held(...watchers),
  holders: [{ node: 'a', since: old, by: 'node', state: 'staged' }],
});
const grants = (said: string | undefined, recorded: string | undefined, since = old): Partial<AttachmentFacts> => {
  const named = recorded === undefined ? {} : { grant: recorded };
  return {
    attachment: attachment({ grant: said }),
    image: { ...held(), holders: [{ node: 'a', since, by: 'controller', state: 'granted', ...named }] },
  };
};
const gone: ApiNode = { ...well, view: 'absent', csiNode: 'absent' };
const outOfService: ApiNode = { ...well, view: { ...(well.view as object), outOfService: true } as ApiNode['view'] };
const notReady: ApiNode = {
  ...well,
  view: { ...(well.view as object), ready: 'unknown', notReadySince: old } as ApiNode['view'],
};

type Row = readonly [string, AttachmentFacts, (typeof REASONS)[number], 'none' | 'detach', RegExp];
const rows: readonly Row[] = [
  [
    'a deletion whose PersistentVolume is gone',
    going({ pv: 'absent', volume: undefined }),
    'PersistentVolumeGone',
    'none',
    /PersistentVolume pv-1, which alone names its image, is gone/,
  ],
  [
    'a deletion whose PersistentVolume cannot be read',
    going({ pv: 'unknown', volume: undefined }),
    'CephSilent',
    'none',
    /cannot be read/,
  ],
  [
    'a deletion while Ceph is silent',
    going({ image: { error: 'no monitor' } }),
    'CephSilent',
    'none',
    /not known: no monitor/,
  ],
  [
    'a deletion while the healthy node has it mounted',
    going({ image: held('10.0.0.1:0/5'), node: { ...well, inUse: [volume] } }),
    'StillMounted',
    'none',
    /the kubelet of a has it mounted \(open at 10\.0\.0\.1:0\/5\)/,
  ],
  [
    'the same although no watcher is seen',
    going({ node: { ...well, inUse: [volume] } }),
    'StillMounted',
    'none',
    /open nowhere/,
  ],
  [
    'a deletion while a client has the image open',
    going({ image: held('10.0.0.1:0/5') }),
    'ImageStillOpen',
    'detach',
    /open at 10\.0\.0\.1:0\/5; node a is there and ready/,
  ],
  [
    'the same on a node that is gone',
    going({ image: held('10.0.0.1:0/5'), node: gone }),
    'ImageStillOpen',
    'detach',
    /the API has no node a/,
  ],
  [
    'a deletion on a node that is gone',
    going({ node: gone }),
    'NodeGone',
    'detach',
    /the API has no node a, and nobody has its image open/,
  ],
  [
    'a deletion on a node without CSINode',
    going({ node: { ...well, csiNode: 'absent' } }),
    'CsiNodeGone',
    'detach',
    /no CSINode/,
  ],
  [
    'a deletion on a node without our driver',
    going({ node: { ...well, csiNode: 'driverMissing' } }),
    'DriverGone',
    'detach',
    /not registered on node a/,
  ],
  [
    'a deletion on a node that is out of service',
    going({ node: outOfService }),
    'NodeOutOfService',
    'detach',
    /declared out of service/,
  ],
  [
    'a deletion on a node that is not ready',
    going({ node: notReady }),
    'NodeNotReady',
    'detach',
    /not ready since 2026/,
  ],
  ['a deletion that nobody carries out', going(), 'AttacherSilent', 'detach', /nobody has its image open/],
  [
    'a deletion that Ceph has carried out and a foreign finalizer keeps',
    going({ image: free }, { finalizers: ['x.io/y'] }),
    'ForeignFinalizer',
    'none',
    /the finalizer x\.io\/y/,
  ],
  [
    'a deletion that Ceph has carried out on a node that is gone',
    going({ image: free, node: gone }),
    'NodeGone',
    'none',
    /attached to a no more.*--release csi-1/,
  ],
  [
    'a deletion that Ceph has carried out and the attacher failed at',
    going({ image: 'absent' }, { error: 'no such node' }),
    'AttacherSilent',
    'none',
    /was told: no such node.*--release csi-1/,
  ],
  ['attached in the API only', facts({ image: free }), 'AttachedInApiOnly', 'none', /record names nobody/],
  [
    'attached in the API while another node holds it',
    facts({ image: by('b') }),
    'AttachedInApiOnly',
    'none',
    /record names b/,
  ],
  ['attached in the API without an image', facts({ image: 'absent' }), 'ImageGone', 'none', /which Ceph does not have/],
  [
    'attached in the API without a PersistentVolume',
    facts({ pv: 'absent', volume: undefined, image: { error: '' } }),
    'PersistentVolumeGone',
    'none',
    /pv-1/,
  ],
  ['held and never marked attached', coming({ image: held() }), 'AttachUnconfirmed', 'none', /not marked attached/],
  [
    'waiting for another node',
    coming({ image: by('b') }),
    'HeldElsewhere',
    'none',
    /waits for b, which holds the volume since/,
  ],
  [
    'waiting on a node without driver',
    coming({ node: { ...well, csiNode: 'driverMissing' } }),
    'DriverGone',
    'none',
    /node plugin running/,
  ],
  ['waiting on a node that is gone', coming({ node: gone }), 'NodeGone', 'none', /no node a/],
  ['refused', coming({}, { error: 'BERTH_POOL_NOT_OURS' }), 'AttachFails', 'none', /is refused: BERTH_POOL_NOT_OURS/],
  ['answered by nobody', coming(), 'AttacherSilent', 'none', /answered by nobody/],
  [
    'held, free, of a PersistentVolume of ours, and without attachment',
    facts({ attachment: undefined }),
    'HeldInCephOnly',
    'detach',
    /no VolumeAttachment/,
  ],
  [
    'taken by its node alone and free, of a PersistentVolume of ours',
    facts({ attachment: undefined, image: taken() }),
    'HeldInCephOnly',
    'detach',
    /names a, which took it by itself since .*, staged .*berth attachments --holder a --volume c1\/rbd\/berth-v/,
  ],
  [
    'taken by its node alone, and open',
    facts({ attachment: undefined, image: taken('x') }),
    'HeldInCephOnly',
    'none',
    /open at x/,
  ],
  [
    'attached by another grant than the record has',
    facts(grants('one', 'two')),
    'GrantOutdated',
    'none',
    /another grant .*kubectl delete volumeattachment csi-1/,
  ],
  [
    'the same while a client has it open',
    facts({ attachment: undefined, image: held('x') }),
    'HeldInCephOnly',
    'none',
    /open at x/,
  ],
  [
    'the same of no PersistentVolume of ours',
    facts({ attachment: undefined, pv: 'absent' }),
    'HeldInCephOnly',
    'none',
    /open nowhere/,
  ],
  [
    'the same on a node of which nothing is known',
    facts({ attachment: undefined, node: { ...well, view: 'unknown' } }),
    'HeldInCephOnly',
    'none',
    /names a/,
  ],
  [
    'the same mounted by its kubelet',
    facts({ attachment: undefined, node: { ...well, inUse: [volume] } }),
    'HeldInCephOnly',
    'none',
    /names a/,
  ],
];

describe('an attachment is stuck', () => {
  it.each(rows)('%s', (_, given, reason, act, says) => {
    const finding = judge(given, measure);
    expect(finding).toMatchObject({ reason, act });
    expect(finding?.says).toMatch(says);
  });

  it('for each reason in at least one of these rows', () => {
    expect([...new Set(rows.map(([, , reason]) => reason))].toSorted()).toEqual(REASONS.toSorted());
  });
});

describe('an attachment is not stuck', () => {
  it.each([
    ['attached and held', facts()],
    ['young', facts({ attachment: attachment({ since: young }), image: free })],
    ['old, and its deletion young', going({}, { deletingSince: young })],
    ['held by FlexVolume, which takes it itself', facts({ attachment: undefined, pv: 'absent', image: taken() })],
    ['attached by another grant a moment ago', facts(grants('one', 'two', young))],
    ['attached by the grant of the record', facts(grants('one', 'one'))],
    ['attached by an earlier Berth', facts(grants(undefined, 'one'))],
    ['staged by a node of an earlier Berth', facts(grants('one', undefined))],
    [
      'held since a moment ago',
      facts({ attachment: undefined, image: { ...held(), holders: [{ node: 'a', since: young, by: 'controller' }] } }),
    ],
  ])('%s', (_, given) => {
    expect(judge(given, measure)).toBeUndefined();
  });
});

it('a detach is tried for no attachment that is wanted', () => {
  for (const [, given, , act] of rows) {
    if (given.attachment?.deletingSince === undefined && given.attachment !== undefined) expect(act).toBe('none');
  }
});
