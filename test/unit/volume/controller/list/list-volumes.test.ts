/** ListVolumes: pages of any size, put together, give each volume once and nothing else. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import type { RegisteredNode } from '../../../../../src/attachment/node-registry.js';
import { berthError } from '../../../../../src/model/errors.js';
import { DEFAULT_FEATURES } from '../../../../../src/volume/image/image-features.js';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { listVolumes } from '../../../../../src/volume/controller/list/list-volumes.js';
import { VOLUME_KEY } from '../../../../../src/volume/image/volume-record.js';
import { memoryCluster, GiB, raw, soon } from '../memory-cluster.js';
import { attachParts } from '../use-case-parts.js';
import { attachVolume } from '../../../../../src/volume/controller/attach-volume.js';

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
let now = 0;
let foreignImages = new ForeignImages(() => now);
beforeEach(() => {
  now = 0;
  foreignImages = new ForeignImages(() => now);
});

const list = (maxEntries: number, startingToken = '') =>
  listVolumes({ ...cluster, foreignImages, log: { warn } }, { maxEntries, startingToken }, soon());

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
        expect(all.at(-1)!.length).toBeLessThanOrEqual(size);
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
    expect(await list(2, second.nextToken)).toEqual({ volumes: [], nextToken: '' });
  });

  it('has tokens that fit the 128 bytes of the contract', async () => {
    // The longest handle that there is.
    for (const name of ['a', 'b']) await put(name.repeat(121), true);
    expect(Buffer.byteLength((await list(1)).nextToken)).toBeLessThanOrEqual(128);
    expect((await pages(1)).flat()).toEqual([`c1/rbd/${'a'.repeat(121)}`, `c1/rbd/${'b'.repeat(121)}`]);
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

  const gone = () => berthError('BERTH_POOL_NOT_FOUND', { pool: 'rbd', cluster: 'c1' });
  const denied = () => berthError('BERTH_CEPH_DENIED', { user: 'u', what: 'read' });

  it.each([
    ['is gone', gone, undefined],
    ['may not be read, where it may be left out', denied, vi.fn()],
  ])('shows the volumes of the others where one place %s, and says so', async (_what, make, leftOut) => {
    await put('a', true, 'rbd');
    await put('b', true, 'fast');
    warn.mockClear();
    cluster.rbd.failNext('list', make);
    const parts = { ...cluster, foreignImages, log: { warn } };
    const page = await listVolumes(parts, { maxEntries: 0, startingToken: '', leftOut }, soon());
    if (leftOut !== undefined) expect(leftOut).toHaveBeenCalledExactlyOnceWith(expect.any(Error));
    expect(page.volumes.map(({ volume }) => volume)).toEqual(['c1/fast/b']);
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ cluster: 'c1', pool: 'rbd', namespace: '' }),
      expect.stringContaining('volumes of this place are missing'),
    );
  });

  it('fails where nothing can be listed: an empty list would be taken for the truth', async () => {
    for (let place = 0; place < 3; place += 1) cluster.rbd.failNext('list', gone);
    await expect(list(0)).rejects.toMatchObject({ code: 'BERTH_POOL_NOT_FOUND' });
  });

  it('fails at a place that cannot be asked: what is missing would be attached anew, every minute', async () => {
    await put('b', true, 'fast');
    cluster.rbd.failNext('list', denied);
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
    const real = cluster.rbd.headById.bind(cluster.rbd);
    const broken = berthError('BERTH_CEPH_ERROR', { what: 'get_size', why: 'EIO' });
    const b = cluster.image('b')!.id;
    cluster.rbd.headById = (at, id, deadline) => (id === b ? Promise.reject(broken) : real(at, id, deadline));
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
    const real = cluster.rbd.headById.bind(cluster.rbd);
    const b = cluster.image('b')!.id;
    cluster.rbd.headById = (at, id, deadline) => (id === b ? Promise.resolve(undefined) : real(at, id, deadline));
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

describe('what a list costs', () => {
  const asked = (operation: string): number => cluster.rbd.calls.filter((one) => one.operation === operation).length;
  const count = async (work: () => Promise<unknown>): Promise<{ names: number; headers: number; all: number }> => {
    cluster.rbd.calls.length = 0;
    await work();
    return { names: asked('list'), headers: asked('headById'), all: cluster.rbd.calls.length };
  };

  it('is one read for each volume of ours, one for a page of names, and nothing for foreign images', async () => {
    for (let n = 0; n < 40; n += 1) await put(`ours-${n}`, true);
    for (let n = 0; n < 60; n += 1) await put(`foreign-${n}`, false);
    // Each might be one that is just being created.
    expect(await count(() => pages(0))).toEqual({ names: 3, headers: 100, all: 103 });
    now += 119_000;
    expect(await count(() => pages(0))).toMatchObject({ headers: 100 });
    now += 1_000;
    expect(await count(() => pages(0))).toMatchObject({ headers: 100 });
    expect(await count(() => pages(0))).toEqual({ names: 3, headers: 40, all: 43 });
    expect((await list(0)).volumes).toHaveLength(40);
  });

  it('is never a second read, in pages of any size', async () => {
    for (let n = 0; n < 50; n += 1) await put(`ours-${n}`, true);
    for (const size of [1, 7, 16, 50]) {
      expect(await count(() => pages(size)), `${size}`).toMatchObject({ headers: 50 });
    }
  });

  it('is nothing for a deleted volume whose data is not gone yet', async () => {
    await put('berth-deleted-1', true);
    expect(await count(() => list(0))).toMatchObject({ headers: 0 });
    expect((await list(0)).volumes).toEqual([]);
  });

  it('is bounded for a page of a pool full of foreign images, which ends with a token and no volume', async () => {
    const others = Array.from({ length: 2_500 }, (_, n) => ({ name: `x${String(n).padStart(5, '0')}`, id: `${n}` }));
    cluster.rbd.list = (at, after, max) =>
      Promise.resolve(at.pool === 'fast' ? [] : others.filter(({ name }) => name > after).slice(0, max));
    const first = await list(0);
    expect(first.volumes).toEqual([]);
    expect(first.nextToken).not.toBe('');
    expect(asked('headById')).toBeLessThan(2_100);
    expect((await pages(0)).flat()).toEqual([]);
  });
});

describe('an image that was foreign', () => {
  const known = async (): Promise<void> => {
    await put('later', false);
    await list(0);
    now += 120_000;
    await list(0);
    expect(foreignImages.knows(cluster.at('later'), cluster.image('later')!.id)).toBe(true);
  };
  const names = async (): Promise<readonly string[]> => (await list(0)).volumes.map(({ volume }) => volume);

  it('and is marked by another process is seen within two hours', async () => {
    await known();
    cluster.image('later')!.metadata.set(VOLUME_KEY, '{}');
    expect(await names()).toEqual([]);
    now += 2 * 3_600_000;
    expect(await names()).toEqual(['c1/rbd/later']);
  });

  it('and is still foreign after that costs one read, and none again', async () => {
    await known();
    now += 2 * 3_600_000;
    cluster.rbd.calls.length = 0;
    for (let n = 0; n < 3; n += 1) await list(0);
    expect(cluster.rbd.calls.filter(({ operation }) => operation === 'headById')).toHaveLength(1);
  });

  it('and is attached by this process is seen at once', async () => {
    await known();
    const registered = { registration: {} } as RegisteredNode;
    const parts = { ...attachParts(cluster), foreignImages, nodes: { find: () => Promise.resolve(registered) } };
    const asked = { volume: 'c1/rbd/later', node: 'n1', capability: raw, readOnly: false, secrets: undefined };
    await attachVolume(parts, asked, soon());
    expect((await list(0)).volumes).toMatchObject([{ volume: 'c1/rbd/later', publishedNodes: ['n1'] }]);
  });

  it('is read by every list where there are more of them than are remembered', async () => {
    foreignImages = new ForeignImages(() => now, 2);
    for (const name of ['a', 'b', 'c']) await put(name, false);
    await list(0);
    now += 120_000;
    await list(0);
    cluster.rbd.calls.length = 0;
    await list(0);
    expect(cluster.rbd.calls.filter(({ operation }) => operation === 'headById')).toHaveLength(1);
  });
});

describe('a page', () => {
  it('of a cluster that becomes slow ends with a token before its deadline, and the next goes on', async () => {
    for (let n = 0; n < 40; n += 1) await put(`v${String(n).padStart(2, '0')}`, true);
    const real = cluster.rbd.headById.bind(cluster.rbd);
    let reads = 0;
    cluster.rbd.headById = (at, id, deadline) => {
      reads += 1;
      if (reads > 16) return Promise.reject(berthError('BERTH_DEADLINE', { what: 'look at it', ms: 1 }));
      return real(at, id, deadline);
    };
    const first = await list(0);
    expect(first.volumes).toHaveLength(16);
    cluster.rbd.headById = real;
    const second = await list(0, first.nextToken);
    expect(second.volumes[0]?.volume).toBe('c1/rbd/v16');
    expect(second.volumes).toHaveLength(24);
  });

  it('ends behind the last name that a token carries, and the next page tells what came behind it', async () => {
    await put('a', true);
    // No handle names it, and no token either; it is read by nobody.
    await put(`b${'x'.repeat(130)}`, false);
    await put('c', true);
    expect((await pages(1)).flat()).toEqual(['c1/rbd/a', 'c1/rbd/c']);
  });

  it('in which nothing could be read before the deadline is an error, not a list of nothing', async () => {
    await put('a', true);
    const late = () => berthError('BERTH_DEADLINE', { what: 'look at it', ms: 1 });
    cluster.rbd.failNext('headById', late);
    await expect(list(0)).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });
});
