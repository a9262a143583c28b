/** Copies that were never finished: which go, which stay for something might be lost, and a create meanwhile. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import { berthError } from '../../../../../src/model/errors.js';
import type { RbdPort } from '../../../../../src/rbd/port.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import {
  findGarbage,
  removeGarbage,
  type GarbageParts,
} from '../../../../../src/volume/controller/garbage/find-garbage.js';
import { GRACE_MS } from '../../../../../src/volume/controller/garbage/garbage.js';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { VOLUME_KEY, type ContentSource } from '../../../../../src/volume/image/volume-record.js';
import { refused } from '../../../../integration/rbd/port.contract.js';
import { creation, memoryCluster, soon } from '../memory-cluster.js';
import { replacing } from '../snapshot/replacing.js';
import { createParts } from '../use-case-parts.js';

const cluster = memoryCluster();
const NAME = 'pvc-01234567-89ab-cdef-0123-456789abcdef';
const IMAGE = `berth-${NAME}`;
const COPY = `c1/rbd/${IMAGE}`;
let bound: Set<string>;
let volume: ContentSource;
let snapshot: ContentSource;

beforeEach(async () => {
  const id = (await createVolume(createParts(cluster), creation('origin'), soon())).volume;
  bound = new Set([id]);
  volume = { kind: 'volume', id };
  const cut = await cluster.rbd.createSnapshot(cluster.at('berth-origin'), 'berth-snap-a', soon());
  snapshot = { kind: 'snapshot', id: `c1/rbd/${cluster.image('berth-origin')!.id}@${cut}` };
});

const parts = (laterMs = 2 * GRACE_MS, rbd: RbdPort = cluster.rbd): GarbageParts => ({
  ...createParts(cluster),
  rbd,
  longWork: rbd,
  purges: { begin: () => undefined },
  now: () => new Date(Date.now() + laterMs),
  foreignImages: new ForeignImages(),
  askVolumes: () =>
    Promise.resolve({
      installation: 'here',
      hasVolume: (handle) => bound.has(handle),
      claim: () => Promise.resolve(undefined),
    }),
  askContents: () => Promise.resolve({ installation: 'here', explains: () => true }),
});
const report = async (by = parts()) => (await findGarbage(by)).found.map(({ kind }) => kind);
const removeAll = async (by = parts()) =>
  (await removeGarbage(by, await findGarbage(by))).map(({ outcome }) => outcome);
const copy = (source: ContentSource, name = NAME) =>
  createVolume(createParts(cluster), { ...creation(name), range: undefined, source }, soon());

/** Its controller died between the clone and its records. */
async function halfMade(source = volume, name = NAME) {
  cluster.rbd.failNext('cloneById', () => berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: 'it' }));
  await refused(copy(source, name), 'BERTH_WORKER_DIED');
  return cluster.image(`berth-${name}`)!;
}

describe('a copy that was never finished', () => {
  it.each(['of a volume', 'of a snapshot'])(
    '%s goes after an hour, and its name is free for the same again',
    async (of) => {
      const source = of === 'of a volume' ? volume : snapshot;
      const { id, standsOn } = await halfMade(source);
      // The snapshot may be years older.
      for (const [name, cut] of standsOn!.image.cuts) {
        standsOn!.image.cuts.set(name, { ...cut, createdAt: new Date(0) });
      }
      expect(await report(parts(GRACE_MS / 2))).toEqual([]);
      expect(await report()).toEqual(['unfinished-copy']);
      expect(await removeAll()).toEqual(['removed']);
      expect(cluster.image(IMAGE)).toBeUndefined();
      expect(cluster.image(`berth-deleted-${id}`)).toBeDefined();
      expect((await copy(source)).volume).toBe(COPY);
      expect(cluster.image(IMAGE)!.id).not.toBe(id);
    },
  );

  it('is explained by a PersistentVolume', async () => {
    await halfMade();
    bound.add(COPY);
    expect(await report()).toEqual([]);
  });

  it.each<[string, (image: Awaited<ReturnType<typeof halfMade>>) => unknown, RegExp]>([
    ['has data of its own', (image) => (image.written = true), /data or snapshots of its own/],
    ['has a snapshot', (image) => image.snapshots.push('by-hand'), /data or snapshots of its own/],
    ['is open', (image) => image.watchers.push({ address: '10.0.0.7:0/1', client: 7n }), /has it open/],
    ['is locked', (image) => (image.locks = [{ id: 'b', locker: 'client.8', address: '10.0.0.8:0/1' }]), /locked/],
    ['has a holder that nobody can read', (image) => image.metadata.set(HOLDER_KEY, '{'), /a node has it/],
    ['is unknown to its snapshot', (image) => (image.standsOn!.isLinked = false), /does not know of it/],
  ])('stays where it %s', async (_, change, why) => {
    const image = await halfMade();
    change(image);
    const { found } = await findGarbage(parts());
    expect(found).toMatchObject([
      { kind: 'unfinished-copy', end: { keptBecause: expect.stringMatching(why) as string } },
    ]);
    expect(await removeAll()).toEqual(['kept']);
    expect(cluster.image(IMAGE)).toBe(image);
  });

  it('stays where its snapshot may be nowhere else any more', async () => {
    await halfMade(snapshot);
    await cluster.rbd.removeSnapshot(cluster.at('berth-origin'), 'berth-snap-a', soon());
    expect(await removeAll()).toEqual(['kept']);
  });

  it('stays where its name is not one that a provisioner makes: it may be a clone by hand', async () => {
    await halfMade(snapshot, 'mine');
    expect(await removeAll()).toEqual(['kept']);
  });

  it('stays where it has changed since it was found, or nobody knows what has a PersistentVolume', async () => {
    const image = await halfMade();
    const found = await findGarbage(parts());
    const outcomes = async (by = parts()) => (await removeGarbage(by, found)).map(({ outcome }) => outcome);
    const [end] = await outcomes({ ...parts(), askVolumes: () => Promise.resolve(undefined) });
    expect(end).toMatchObject({ code: 'BERTH_KUBE_OFF' });
    image.written = true;
    expect(await outcomes()).toEqual(['explained']);
    image.written = false;
    bound.add(COPY);
    expect(await outcomes()).toEqual(['explained']);
    bound.delete(COPY);
    await copy(volume);
    expect(await outcomes()).toEqual(['explained']);
    expect(cluster.image(IMAGE)).toBe(image);
  });
});

describe('a CreateVolume of the copy while it is removed', () => {
  it('that has written its record first keeps the volume, and the claim is given back', async () => {
    const image = await halfMade();
    const changeMetadata: RbdPort['changeMetadata'] = async (...args) => {
      // Between the claim and the mark: a create that looked before the claim was there.
      const claim = image.metadata.get(HOLDER_KEY)!;
      image.metadata.delete(HOLDER_KEY);
      await copy(volume);
      image.metadata.set(HOLDER_KEY, claim);
      return cluster.rbd.changeMetadata(...args);
    };
    expect(await removeAll(parts(2 * GRACE_MS, replacing<RbdPort>(cluster.rbd, { changeMetadata })))).toEqual([
      'explained',
    ]);
    expect(cluster.image(IMAGE)).toBe(image);
    expect(image.metadata.get(HOLDER_KEY)).toBeUndefined();
    expect((await copy(volume)).volume).toBe(COPY);
  });

  it.each(['changeMetadata', 'rename'] as const)(
    'is told to come again where the removal died before %s, and the next removal ends it',
    async (operation) => {
      await halfMade();
      cluster.rbd.failNext(operation, () => berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: 'it' }));
      expect(await removeAll()).toMatchObject([{ code: 'BERTH_WORKER_DIED' }]);
      await refused(copy(volume), 'BERTH_VOLUME_DELETING');
      // What was marked needs its hour. The cut that it stands on goes as well where the mark is there.
      expect(new Set(await removeAll(parts(4 * GRACE_MS)))).toEqual(new Set(['removed']));
      expect(cluster.image(IMAGE)).toBeUndefined();
      expect((await copy(volume)).volume).toBe(COPY);
      expect(cluster.image(IMAGE)!.metadata.get(VOLUME_KEY)).toContain(NAME);
    },
  );
});
