/** Snapshots and groups that somebody was told of: what explains them, and that the others are shown and stay. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Installation } from '../../../../../src/attachment/node-identity.js';
import { berthError } from '../../../../../src/model/errors.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import {
  findGarbage,
  removeGarbage,
  type GarbageParts,
} from '../../../../../src/volume/controller/garbage/find-garbage.js';
import { GRACE_MS } from '../../../../../src/volume/controller/garbage/garbage.js';
import type { ContentKind } from '../../../../../src/volume/controller/garbage/known-contents.js';
import { createGroup } from '../../../../../src/volume/controller/group/create-group.js';
import { GROUPS_OBJECT } from '../../../../../src/volume/controller/group/group-record.js';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { createSnapshot } from '../../../../../src/volume/controller/snapshot/create-snapshot.js';
import { creation, memoryCluster, noSecrets, soon } from '../memory-cluster.js';
import { createParts, snapshotParts } from '../use-case-parts.js';

const cluster = memoryCluster();
/** Handles that stand in an object; an error where nobody can say. */
let contents: Record<ContentKind, Set<string> | Error | undefined>;
/** Volumes of an object without a handle. */
let pending: Set<string>;
/** Of the driver that looks. */
let here: string;
let volume: string;

beforeEach(async () => {
  contents = { VolumeSnapshotContent: new Set(), VolumeGroupSnapshotContent: new Set() };
  pending = new Set();
  here = 'here';
  volume = await make('pvc-1');
});

const askContents: GarbageParts['askContents'] = (kind) => {
  const handles = contents[kind];
  if (handles instanceof Error) return Promise.reject(handles);
  return Promise.resolve(
    handles && {
      installation: here,
      explains: (handle, volumes) => handles.has(handle) || volumes.some((one) => pending.has(one)),
    },
  );
};
const askVolumes: GarbageParts['askVolumes'] = () =>
  Promise.resolve({ installation: here, hasVolume: () => true, claim: () => Promise.resolve(undefined) });

/** What is cut in a test is as old as the test. */
const parts = (laterMs = 2 * GRACE_MS): GarbageParts => ({
  ...createParts(cluster),
  longWork: cluster.rbd,
  now: () => new Date(Date.now() + laterMs),
  foreignImages: new ForeignImages(),
  askVolumes,
  askContents,
});
const search = () => findGarbage(parts());
const report = async () => (await search()).found.map(({ kind, where }) => `${kind} ${where}`);
const ends = async () => (await removeGarbage(parts(), await search())).map(({ outcome }) => outcome);

async function make(name: string, by = 'here'): Promise<string> {
  const own = { ...createParts(cluster), installation: new Installation(by) };
  return (await createVolume(own, creation(name), soon())).volume;
}
const now = () => new Date();
const take = async (name: string, of = volume): Promise<string> =>
  (await createSnapshot({ ...snapshotParts(cluster), now }, { name, volume: of, secrets: noSecrets }, soon())).handle;
const takeGroup = async (name: string, volumes: readonly string[]) =>
  createGroup({ ...snapshotParts(cluster), longWork: cluster.rbd, now }, { name, volumes, secrets: noSecrets }, soon());
const known = (kind: ContentKind): Set<string> => contents[kind] as Set<string>;

describe('a snapshot without a VolumeSnapshotContent', () => {
  it('is shown with its handle once it is an hour old, and stays', async () => {
    const [kept, living] = [await take('kept'), await take('living')];
    known('VolumeSnapshotContent').add(living);
    expect((await findGarbage(parts(GRACE_MS / 2))).found).toEqual([]);
    const { found, leftOut } = await search();
    expect(found).toMatchObject([{ kind: 'snapshot', where: 'rbd/berth-pvc-1@berth-snap-kept', cluster: 'c1' }]);
    expect(found[0]!.says).toBe(`snapshot ${kept} of volume ${volume} has no VolumeSnapshotContent`);
    expect(found[0]!.since).toBeDefined();
    expect(leftOut).toEqual([]);
    expect(await ends()).toEqual(['kept']);
    expect(cluster.image('berth-pvc-1')!.snapshots).toEqual(['berth-snap-kept', 'berth-snap-living']);
  });

  it('is explained by an object of its volume that has no handle yet, and by another installation', async () => {
    await take('kept');
    await take('theirs', await make('pvc-2', 'elsewhere'));
    pending.add(volume);
    expect(await report()).toEqual([]);
  });

  it('whose installation nobody can tell is shown to a person alone', async () => {
    await take('whose', await make('pvc-2', ''));
    expect((await search()).found.map(({ end }) => end)).toMatchObject([{ isDoubtful: true }]);
    here = '';
    await take('ours');
    expect((await search()).found.map(({ end }) => end)).toMatchObject([{ isDoubtful: true }, { isDoubtful: true }]);
  });

  it.each([undefined, berthError('BERTH_KUBE_UNSERVED', { resource: 'volumesnapshotcontents', version: 'v1' })])(
    'is not judged where Kubernetes is %s, which is said only where there is one',
    async (answer) => {
      contents.VolumeSnapshotContent = answer;
      expect(await search()).toEqual({ found: [], leftOut: [] });
      await take('kept');
      const { found, leftOut } = await search();
      expect(found).toEqual([]);
      expect(leftOut).toEqual([expect.stringMatching(/^snapshots without a VolumeSnapshotContent are not known: /)]);
    },
  );

  it('and that nobody was told of either is garbage of one kind, not of two', async () => {
    await take('untold');
    const registry = await cluster.clusters.registry('c1', 'controller', soon());
    const records = await cluster.rbd.getRecords(registry, 'berth.snapshot-names', ['berth-snap-untold'], soon());
    const record = JSON.parse(records.get('berth-snap-untold')!) as Record<string, unknown>;
    const text = JSON.stringify({ ...record, snapshotId: undefined });
    await cluster.rbd.setRecords(registry, 'berth.snapshot-names', new Map([['berth-snap-untold', text]]), soon());
    expect(await report()).toEqual(['untold-snapshot berth.snapshot-names berth-snap-untold']);
  });
});

describe('a group without a VolumeGroupSnapshotContent', () => {
  it('is shown and stays; explained by its handle, or by an object of one of its members', async () => {
    const other = await make('pvc-2');
    const group = await takeGroup('g', [volume, other]);
    expect(await report()).toEqual([`told-group ${GROUPS_OBJECT} berth-group-g`]);
    expect(await ends()).toEqual(['kept']);
    known('VolumeSnapshotContent').add(group.snapshots[1]!.handle);
    expect(await report()).toEqual([]);
    known('VolumeSnapshotContent').clear();
    known('VolumeGroupSnapshotContent').add(group.handle);
    expect(await report()).toEqual([]);
    expect(cluster.image('berth-pvc-1')!.snapshots).toHaveLength(1);
  });

  it('whose snapshots have all gone by hand has only a record, which goes', async () => {
    await takeGroup('g', [volume]);
    const image = cluster.image('berth-pvc-1')!;
    image.snapshots = [];
    image.cuts.clear();
    expect(await ends()).toEqual(['removed']);
    expect(await report()).toEqual([]);
  });

  it('is not judged where nobody knows of groups, or of single ones', async () => {
    await takeGroup('g', [volume]);
    for (const kind of ['VolumeGroupSnapshotContent', 'VolumeSnapshotContent'] as const) {
      contents = { VolumeSnapshotContent: new Set(), VolumeGroupSnapshotContent: new Set(), [kind]: undefined };
      const { found, leftOut } = await search();
      expect([found, leftOut.length]).toEqual([[], 1]);
      expect(leftOut[0]).toContain(`without a ${kind} are not known: `);
    }
  });
});
