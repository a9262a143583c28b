/** The search for garbage over a cluster in memory: what is explained and by what, what goes, and what never does. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Installation } from '../../../../../src/attachment/node-identity.js';
import type { RbdPort } from '../../../../../src/rbd/port.js';
import { berthError } from '../../../../../src/model/errors.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { findGarbage, removeGarbage } from '../../../../../src/volume/controller/garbage/find-garbage.js';
import type { GarbageParts } from '../../../../../src/volume/controller/garbage/find-garbage.js';
import { GRACE_MS } from '../../../../../src/volume/controller/garbage/garbage.js';
import { GROUPS_OBJECT } from '../../../../../src/volume/controller/group/group-record.js';
import { SNAPSHOT_NAMES_OBJECT } from '../../../../../src/volume/controller/snapshot/name-record.js';
import type { KnownClaim } from '../../../../../src/volume/controller/garbage/known-volumes.js';
import { createSnapshot } from '../../../../../src/volume/controller/snapshot/create-snapshot.js';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { VOLUME_KEY } from '../../../../../src/volume/image/volume-record.js';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import { creation, memoryCluster, noSecrets, NOW, soon } from '../memory-cluster.js';
import { replacing } from '../snapshot/replacing.js';
import { createParts, snapshotParts } from '../use-case-parts.js';

const cluster = memoryCluster();
const LATER = new Date(Date.parse(NOW) + 2 * GRACE_MS);
let bound: Set<string>;
let claims: Map<string, KnownClaim>;
/** Undefined without Kubernetes; an error where it does not answer. */
let installation: string | Error | undefined;

beforeEach(() => {
  bound = new Set();
  claims = new Map();
  installation = 'here';
});

const askVolumes: GarbageParts['askVolumes'] = () => {
  if (installation instanceof Error) return Promise.reject(installation);
  return Promise.resolve(
    installation === undefined
      ? undefined
      : {
          installation,
          hasVolume: (handle) => bound.has(handle),
          claim: (namespace, name) => Promise.resolve(claims.get(`${namespace}/${name}`)),
        },
  );
};

/** What is told of has its object: without-content.test.ts is about what has none. */
const askContents: GarbageParts['askContents'] = () => Promise.resolve({ installation: 'here', explains: () => true });

const parts = (now = LATER, rbd: RbdPort = cluster.rbd): GarbageParts => ({
  ...createParts(cluster),
  ...{ rbd, longWork: rbd, now: () => now, foreignImages: new ForeignImages(), askVolumes, askContents },
});
const report = async (by = parts()) =>
  (await findGarbage(by)).found.map(({ kind, where }) => `${kind} ${where}`).sort();
const remove = async (by = parts()) =>
  (await removeGarbage(by, await findGarbage(by))).map(({ garbage: { kind }, outcome }) => [
    kind,
    outcome instanceof Error ? outcome.message.slice(0, 20) : outcome,
  ]);

const LABELS = { 'csi.storage.k8s.io/pvc/name': 'data', 'csi.storage.k8s.io/pvc/namespace': 'shop' };
async function make(name: string, by: string | undefined = 'here', parameters: Record<string, string> = LABELS) {
  const own = { ...createParts(cluster), installation: new Installation(by) };
  return (await createVolume(own, creation(name, { parameters }), soon())).volume;
}
const image = (name: string) => cluster.image(name)!;
/** A snapshot that is as old as the cluster. */
function cut(name: string, snapshot: string): void {
  const { snapshots, cuts } = image(name);
  snapshots.push(snapshot);
  // Those of the cluster in memory are counted from one, by all tests of a process.
  const one = {
    id: 1_000_000n + BigInt(cuts.size),
    name: snapshot,
    kind: 'user',
    sizeBytes: 1n,
    cloneCount: 0,
  } as const;
  cuts.set(snapshot, { ...one, createdAt: new Date(NOW) });
}
const registry = () => cluster.clusters.registry('c1', 'controller', soon());
const write = async (object: string, key: string, record: object) =>
  cluster.rbd.setRecords(await registry(), object, new Map([[key, JSON.stringify(record)]]), soon());

describe('a volume without a PersistentVolume', () => {
  it('is listed once it is an hour old and its claim is gone; empty, it goes', async () => {
    await make('pvc-1');
    expect(await report(parts(new Date(Date.parse(NOW) + GRACE_MS - 1)))).toEqual([]);
    claims.set('shop/data', { uid: '1', volume: '' });
    expect(await report()).toEqual([]);
    claims.set('shop/data', { uid: 'another, which has none yet', volume: '' });
    expect(await report()).toEqual([]);
    claims.set('shop/data', { uid: 'another, of the same name', volume: 'pvc-9' });
    expect(await report()).toEqual(['volume rbd/berth-pvc-1']);
    expect(await remove()).toEqual([['volume', 'removed']]);
    expect(await report()).toEqual([]);
    expect(cluster.image('berth-pvc-1')).toBeUndefined();
  });

  it('is explained by a PersistentVolume, and by another installation', async () => {
    bound.add(await make('pvc-1'));
    await make('pvc-2', 'elsewhere');
    expect(await report()).toEqual([]);
  });

  it('stays where it holds data, has snapshots, a holder, or nobody can say whose it is', async () => {
    await make('pvc-1');
    image('berth-pvc-1').written = true;
    await make('pvc-2');
    cut('berth-pvc-2', 'by-hand');
    await make('pvc-3', '');
    await make('pvc-4', 'here', {});
    await make('pvc-5');
    image('berth-pvc-5').metadata.set(HOLDER_KEY, 'what nobody can read');
    await make('pvc-6');
    image('berth-pvc-6').locks = [{ id: 'backup', locker: 'client.8', address: '10.0.0.8:0/1' }];
    expect(await report()).toHaveLength(6);
    expect(await remove()).toEqual(Array.from({ length: 6 }, () => ['volume', 'kept']));
    const { found } = await findGarbage(parts());
    const doubtful = found.filter(({ end }) => 'isDoubtful' in end).map(({ where }) => where);
    expect(doubtful.sort()).toEqual(['rbd/berth-pvc-3', 'rbd/berth-pvc-4']);
    expect(await report()).toHaveLength(6);
  });

  it('stays where it has got a PersistentVolume, or data, between the look and the act', async () => {
    const volume = await make('pvc-1');
    const found = await findGarbage(parts());
    bound.add(volume);
    expect((await removeGarbage(parts(), found)).map(({ outcome }) => outcome)).toEqual(['explained']);
    bound.clear();
    image('berth-pvc-1').written = true;
    expect((await removeGarbage(parts(), found)).map(({ outcome }) => outcome)).toEqual(['explained']);
    installation = new Error('no answer');
    const [end] = await removeGarbage(parts(), found);
    expect(end?.outcome).toMatchObject({ code: 'BERTH_KUBE_OFF' });
    expect(cluster.image('berth-pvc-1')).toBeDefined();
  });

  it.each([undefined, new Error('no answer')])('is not judged where Kubernetes is %s', async (answer) => {
    await make('pvc-1');
    installation = answer;
    const { found, leftOut } = await findGarbage(parts());
    expect(found).toEqual([]);
    expect(leftOut).toEqual([expect.stringMatching(/^volumes without a PersistentVolume are not known: /)]);
  });

  it('with a record that cannot be read, or that is another image’s: left alone', async () => {
    await make('pvc-1');
    image('berth-pvc-1').metadata.set(VOLUME_KEY, '{');
    bound.add(await make('pvc-2'));
    const other = image('berth-pvc-2').metadata.get(VOLUME_KEY)!;
    await make('pvc-3');
    image('berth-pvc-3').metadata.set(VOLUME_KEY, other);
    expect(await report()).toEqual([]);
  });
});

describe('snapshots of Berth’s own', () => {
  beforeEach(async () => {
    bound.add(await make('pvc-1'));
  });

  it('that nothing needs go; those of people, and those that a user asked for, stay', async () => {
    for (const name of ['berth-clone-berth-pvc-9', 'berth-growth-1', 'berth-group-g.01234567'])
      cut('berth-pvc-1', name);
    for (const name of ['by-hand', 'berth-snap-s', 'berth-group-not-ours']) cut('berth-pvc-1', name);
    expect(await report()).toEqual([
      'clone-snapshot rbd/berth-pvc-1@berth-clone-berth-pvc-9',
      'group-snapshot rbd/berth-pvc-1@berth-group-g.01234567',
      'growth-snapshot rbd/berth-pvc-1@berth-growth-1',
    ]);
    expect(await remove()).toEqual([
      ['clone-snapshot', 'removed'],
      ['growth-snapshot', 'removed'],
      ['group-snapshot', 'kept'],
    ]);
    const stay = ['berth-group-g.01234567', 'by-hand', 'berth-snap-s', 'berth-group-not-ours'];
    expect(image('berth-pvc-1').snapshots).toEqual(stay);
  });

  it('a cut for a copy stays while an image of that name has no record of its own yet', async () => {
    cut('berth-pvc-1', 'berth-clone-berth-pvc-2');
    bound.add(await make('pvc-2'));
    image('berth-pvc-2').metadata.delete(VOLUME_KEY);
    expect(await report()).toEqual([]);
  });

  it('a member of a group whose record knows the attempt stays, also of an earlier one', async () => {
    const members = [{ volume: 'c1/rbd/berth-pvc-1', imageId: image('berth-pvc-1').id, snapshotId: '100' }];
    const earlier = [{ attempt: '89abcdef', members }];
    const record = { version: 1, state: 'taken', at: NOW, attempt: '01234567', members, earlier };
    await write(GROUPS_OBJECT, 'berth-group-g', record);
    for (const attempt of ['01234567', '89abcdef']) cut('berth-pvc-1', `berth-group-g.${attempt}`);
    expect(await report()).toEqual([]);
  });
});

describe('records', () => {
  let volume = '';
  beforeEach(async () => {
    volume = await make('pvc-1');
    bound.add(volume);
  });

  it.each(['taking', 'deleting'])('a group that is "%s" for an hour goes, with its snapshots', async (state) => {
    cut('berth-pvc-1', 'berth-group-g.01234567');
    const members = [{ volume, imageId: image('berth-pvc-1').id }];
    const record = { version: 1, state, at: NOW, attempt: '01234567', members, earlier: [] };
    await write(GROUPS_OBJECT, 'berth-group-g', record);
    expect(await report(parts(new Date(NOW)))).toEqual([]);
    expect(await report()).toEqual(['group berth.group-snapshots berth-group-g']);
    expect(await remove()).toEqual([['group', 'removed']]);
    expect([image('berth-pvc-1').snapshots, await report()]).toEqual([[], []]);
  });

  it('a name without a snapshot, and one whose snapshot nobody was told of, go; that of a snapshot stays', async () => {
    const of = { version: 1, volume, imageId: image('berth-pvc-1').id, at: NOW, attempt: 'a' };
    await write(SNAPSHOT_NAMES_OBJECT, 'berth-snap-none', of);
    await write(SNAPSHOT_NAMES_OBJECT, 'berth-snap-gone', { ...of, snapshotId: '77' });
    await write(SNAPSHOT_NAMES_OBJECT, 'berth-snap-elsewhere', { ...of, volume: 'c1/unlisted/berth-pvc-1' });
    cut('berth-pvc-1', 'berth-snap-untold');
    await write(SNAPSHOT_NAMES_OBJECT, 'berth-snap-untold', of);
    await createSnapshot(snapshotParts(cluster), { name: 'told', volume, secrets: noSecrets }, soon());
    expect(await report()).toEqual([
      'snapshot-name berth.snapshot-names berth-snap-gone',
      'snapshot-name berth.snapshot-names berth-snap-none',
      'untold-snapshot berth.snapshot-names berth-snap-untold',
    ]);
    expect((await remove()).map(([, outcome]) => outcome)).toEqual(['removed', 'removed', 'removed']);
    expect(image('berth-pvc-1').snapshots).toEqual(['berth-snap-told']);
    expect(await report()).toEqual([]);
  });
});

it('a place that cannot be asked is left out and named, and the others are looked at', async () => {
  await make('pvc-1');
  const list: RbdPort['list'] = (at, ...rest) =>
    at.pool === 'fast'
      ? Promise.reject(berthError('BERTH_POOL_NOT_FOUND', { pool: 'fast', cluster: 'c1' }))
      : cluster.rbd.list(at, ...rest);
  const { found, leftOut } = await findGarbage(parts(LATER, replacing<RbdPort>(cluster.rbd, { list })));
  expect(found).toHaveLength(1);
  expect(leftOut).toEqual([expect.stringContaining('c1/fast: ')]);
});

it('costs one read an image where all is well', async () => {
  for (const name of ['pvc-1', 'pvc-2', 'pvc-3']) bound.add(await make(name));
  // The registry is found once.
  await report();
  cluster.rbd.calls.length = 0;
  await report();
  const asked = cluster.rbd.calls.map(({ operation }) => operation);
  expect(asked.filter((one) => one === 'snapshotsById')).toHaveLength(3);
  const others = new Set(asked.filter((one) => one !== 'snapshotsById'));
  expect([...others].sort()).toEqual(['interruptedRemovals', 'list', 'listRecords']);
});
