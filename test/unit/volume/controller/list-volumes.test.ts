/** ListVolumes: pages of any size, put together, give each volume once and nothing else. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { berthError } from '../../../../src/model/errors.js';
import { DEFAULT_FEATURES } from '../../../../src/volume/image/image-features.js';
import { listVolumes } from '../../../../src/volume/controller/list-volumes.js';
import { VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { memoryCluster, GiB, soon } from './memory-cluster.js';

const cluster = memoryCluster();
const spec = {
  ...{ sizeBytes: GiB, features: DEFAULT_FEATURES, objectSizeBytes: undefined, stripeUnitBytes: undefined },
  ...{ stripeCount: undefined, dataPool: undefined, metadata: new Map() },
};
const PLACES = [
  ['rbd', ''],
  ['rbd', 'team'],
  ['fast', ''],
  ['foreign', ''],
] as const;

const put = async (name: string, isOurs: boolean, pool = 'rbd', namespace = ''): Promise<void> => {
  await cluster.rbd.createImage(cluster.at(name, pool, namespace), spec, soon());
  if (isOurs) cluster.image(name, pool, namespace)!.metadata.set(VOLUME_KEY, '{}');
};
const warn = vi.fn();
const list = (maxEntries: number, startingToken = '') =>
  listVolumes({ ...cluster, log: { warn } }, { maxEntries, startingToken }, soon());

/** Every page until the end; an endless list fails. */
async function pages(maxEntries: number, between: (page: number) => void = () => undefined): Promise<string[][]> {
  const all: string[][] = [];
  let token = '';
  do {
    const page = await list(maxEntries, token);
    all.push(page.volumes.map((one) => one.volume));
    token = page.nextToken;
    between(all.length);
    if (all.length > 200) throw new Error('the list does not end');
  } while (token !== '');
  return all;
}

const image = fc.record({
  place: fc.nat({ max: PLACES.length - 1 }),
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}$/),
  isOurs: fc.boolean(),
});
const images = fc.uniqueArray(image, { maxLength: 60, selector: ({ place, name }) => `${place} ${name}` });

describe('listing', () => {
  it('in pages of any size gives each volume of ours exactly once, foreign images and pools never', async () => {
    await fc.assert(
      fc.asyncProperty(images, fc.integer({ min: 1, max: 20 }), async (some, size) => {
        const expected: string[] = [];
        for (const { place, name, isOurs } of some) {
          const [pool, namespace] = PLACES[place]!;
          await put(name, isOurs, pool, namespace);
          const handle = ['c1', pool, ...(namespace === '' ? [] : [namespace]), name].join('/');
          if (isOurs && pool !== 'foreign') expected.push(handle);
        }
        const all = await pages(size);
        expect(all.flat().sort()).toEqual(expected.sort());
        for (const page of all.slice(0, -1)) expect(page).toHaveLength(size);
        if (expected.length > 0) expect(all.at(-1)).not.toEqual([]);
        for (const { place, name } of some) await cluster.rbd.remove(cluster.at(name, ...PLACES[place]!), soon());
      }),
      { numRuns: 60 },
    );
  });

  it('of nothing is one empty page', async () => {
    expect(await list(0)).toEqual({ volumes: [], nextToken: '' });
    await put('foreign', false);
    expect(await list(5)).toEqual({ volumes: [], nextToken: '' });
  });

  it('goes on where it was although the last volume of the page is deleted meanwhile', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await put(name, true);
    const first = await list(2);
    await cluster.rbd.remove(cluster.at('b'), soon());
    await put('aa', true);
    const second = await list(2, first.nextToken);
    expect(second.volumes.map((one) => one.volume)).toEqual(['c1/rbd/c', 'c1/rbd/d']);
    expect(second.nextToken).toBe('');
  });

  it('has tokens that fit the 128 bytes of the contract', async () => {
    for (const name of ['a', 'b']) await put(name.repeat(90), true);
    expect(Buffer.byteLength((await list(1)).nextToken)).toBeLessThanOrEqual(128);
  });

  it('shows size and nodes, and an unreadable holder hides nobody', async () => {
    for (const name of ['a', 'b']) await put(name, true);
    const holders = [{ node: 'n1', since: '', by: 'controller' }];
    const record = { version: 1, mode: 'SINGLE_NODE_WRITER', access: 'block', readOnly: false, holders };
    cluster.image('a')!.metadata.set(HOLDER_KEY, JSON.stringify(record));
    cluster.image('b')!.metadata.set(HOLDER_KEY, '{"version":2}');
    const [a, b] = (await list(0)).volumes;
    expect(a).toMatchObject({
      volume: 'c1/rbd/a',
      sizeBytes: GiB,
      publishedNodes: ['n1'],
      condition: { abnormal: false },
    });
    expect(b).toMatchObject({ volume: 'c1/rbd/b', sizeBytes: GiB, publishedNodes: [], condition: { abnormal: true } });
  });

  it.each([
    ['is gone', () => berthError('BERTH_POOL_NOT_FOUND', { pool: 'rbd', cluster: 'c1' })],
    ['may not be read', () => berthError('BERTH_CEPH_DENIED', { user: 'u', what: 'read' })],
  ])('shows the volumes of the others where one place %s, and says so', async (_what, make) => {
    await put('a', true, 'rbd');
    await put('b', true, 'fast');
    warn.mockClear();
    cluster.rbd.failNext('list', make);
    expect((await list(0)).volumes.map(({ volume }) => volume)).toEqual(['c1/fast/b']);
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ cluster: 'c1', pool: 'rbd', namespace: '' }),
      expect.stringContaining('volumes of this place are missing'),
    );
  });

  it('fails where nothing can be listed: an empty list would be taken for the truth', async () => {
    const denied = () => berthError('BERTH_CEPH_DENIED', { user: 'u', what: 'read' });
    for (let place = 0; place < 3; place += 1) cluster.rbd.failNext('list', denied);
    await expect(list(0)).rejects.toMatchObject({ code: 'BERTH_CEPH_DENIED' });
  });

  it('asks no other place of a cluster that is silent', async () => {
    const silent = () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor' });
    cluster.rbd.calls.length = 0;
    cluster.rbd.failNext('list', silent);
    await expect(list(0)).rejects.toMatchObject({ code: 'BERTH_CLUSTER_UNREACHABLE' });
    expect(cluster.rbd.calls.map(({ operation }) => operation)).toEqual(['list']);
  });

  it('leaves out one image that cannot be read, and shows the others', async () => {
    for (const name of ['a', 'b', 'c']) await put(name, true);
    const real = cluster.rbd.head.bind(cluster.rbd);
    const broken = berthError('BERTH_CEPH_ERROR', { what: 'get_size', why: 'EIO' });
    cluster.rbd.head = (at, deadline) => (at.image === 'b' ? Promise.reject(broken) : real(at, deadline));
    expect((await list(0)).volumes.map(({ volume }) => volume)).toEqual(['c1/rbd/a', 'c1/rbd/c']);
  });

  it('leaves out a copy under a name that no handle can carry, and does not fail for it', async () => {
    await put('a', true);
    await put('copy of a', true);
    await put('x'.repeat(200), true);
    expect((await pages(1)).flat()).toEqual(['c1/rbd/a']);
  });

  it('survives an image that vanishes between the directory and the look', async () => {
    for (const name of ['a', 'b', 'c']) await put(name, true);
    const real = cluster.rbd.head.bind(cluster.rbd);
    cluster.rbd.head = (at, deadline) => (at.image === 'b' ? Promise.resolve(undefined) : real(at, deadline));
    expect((await list(2)).volumes.map((one) => one.volume)).toEqual(['c1/rbd/a', 'c1/rbd/c']);
  });

  it.each(['invalid-token', 'c1/rbd', 'c2/rbd/a', 'c1/foreign/a', 'c1/rbd/other/a', 'x'.repeat(200)])(
    'from the token %s is refused',
    async (token) => {
      await expect(list(1, token)).rejects.toMatchObject({ code: 'BERTH_TOKEN_INVALID', status: 'ABORTED' });
    },
  );

  it('of fewer than none is refused', async () => {
    await expect(list(-1)).rejects.toMatchObject({ code: 'BERTH_FIELD_INVALID' });
  });
});
