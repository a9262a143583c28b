/** ListSnapshots over a cluster in memory: pages, filters, tokens, and places that cannot be listed. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Installation } from '../../../../../src/attachment/node-identity.js';
import { Deadline } from '../../../../../src/model/deadline.js';
import { berthError } from '../../../../../src/model/errors.js';
import type { SnapshotServiceParts } from '../../../../../src/csi/snapshot-calls.js';
import type { RbdPort } from '../../../../../src/rbd/port.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { createSnapshot } from '../../../../../src/volume/controller/snapshot/create-snapshot.js';
import { listSnapshots, type ListSnapshots } from '../../../../../src/volume/controller/snapshot/list-snapshots.js';
import {
  formatSnapshotToken,
  parseSnapshotToken,
} from '../../../../../src/volume/controller/snapshot/snapshot-token.js';
import { DEFAULT_FEATURES } from '../../../../../src/volume/image/image-features.js';
import { VOLUME_KEY } from '../../../../../src/volume/image/volume-record.js';
import { creation, GiB, memoryCluster, noSecrets, place, soon } from '../memory-cluster.js';
import { createParts, snapshotParts } from '../use-case-parts.js';
import { replacing } from './replacing.js';

const cluster = memoryCluster();
let volumes: readonly string[] = [];
/** Handles of all snapshots: three of the first volume, none of the second, one of the third, two in another pool. */
let handles: readonly string[] = [];

const make = async (name: string, parameters: Record<string, string> = {}): Promise<string> =>
  (await createVolume(createParts(cluster), creation(name, { parameters }), soon())).volume;
const take = async (volume: string, name: string): Promise<string> =>
  (await createSnapshot(snapshotParts(cluster), { name, volume, secrets: noSecrets }, soon())).handle;

beforeEach(async () => {
  volumes = [await make('a'), await make('b'), await make('c'), await make('d', { pool: 'fast' })];
  const taken: string[] = [];
  for (const [index, name] of [
    [0, '1'],
    [0, '2'],
    [0, '3'],
    [2, '4'],
    [3, '5'],
    [3, '6'],
  ] as const)
    taken.push(await take(volumes[index]!, name));
  handles = taken;
  cluster.image('berth-b')!.snapshots.push('somebody-elses');
});

const list = (
  change: Partial<ListSnapshots> = {},
  parts: SnapshotServiceParts = snapshotParts(cluster),
  deadline = soon(),
) =>
  listSnapshots(
    parts,
    { maxEntries: 0, startingToken: '', volume: '', snapshot: '', secrets: noSecrets, ...change },
    deadline,
  );
const code = (wanted: string) => expect.objectContaining({ code: wanted }) as object;
const seeing = (change: Partial<RbdPort>) => ({
  ...snapshotParts(cluster),
  rbd: replacing<RbdPort>(cluster.rbd, change),
});

/** All pages; how many entries each had. */
async function pages(change: Partial<ListSnapshots>): Promise<{ found: string[]; sizes: number[] }> {
  const found: string[] = [];
  const sizes: number[] = [];
  for (let startingToken = ''; ; ) {
    const { snapshots, nextToken } = await list({ ...change, startingToken });
    found.push(...snapshots.map(({ handle }) => handle));
    sizes.push(snapshots.length);
    expect(Buffer.byteLength(nextToken)).toBeLessThanOrEqual(128);
    if (nextToken === '') return { found, sizes };
    startingToken = nextToken;
  }
}

describe('ListSnapshots', () => {
  it('shows all of ours in every place and nothing of others, each with its source', async () => {
    const { snapshots, nextToken } = await list();
    expect(snapshots.map(({ handle }) => handle)).toEqual(handles);
    expect(snapshots.map(({ volume }) => volumes.indexOf(volume))).toEqual([0, 0, 0, 2, 3, 3]);
    expect(nextToken).toBe('');
  });

  it.each([1, 2, 3, 4, 5, 6, 7])(
    '%i at a time: every one once, and no page that promises one too many',
    async (max) => {
      const { found, sizes } = await pages({ maxEntries: max });
      expect(found).toEqual(handles);
      expect(sizes.every((size) => size > 0 && size <= max)).toBe(true);
    },
  );

  it('by source: those of that volume alone, also page by page', async () => {
    expect((await pages({ volume: volumes[0]! })).found).toEqual(handles.slice(0, 3));
    expect(await pages({ volume: volumes[0]!, maxEntries: 2 })).toEqual({ found: handles.slice(0, 3), sizes: [2, 1] });
    expect((await list({ volume: volumes[1]! })).snapshots).toEqual([]);
  });

  it('by id: that one, where it is of the source that is asked for as well', async () => {
    const one = await list({ snapshot: handles[3]! });
    expect(one.snapshots.map(({ handle }) => handle)).toEqual([handles[3]]);
    expect(await list({ snapshot: handles[3]!, volume: volumes[2]! })).toEqual(one);
    expect((await list({ snapshot: handles[3]!, volume: volumes[0]! })).snapshots).toEqual([]);
  });

  it.each(['x', 'non-existing-snapshot-id', 'c1/rbd/abc@1', 'c9/rbd/abc@1', 'c1/foreign/abc@1'])(
    'unknown id %s: an empty list, as is one of an unknown source',
    async (id) => {
      expect(await list({ snapshot: id })).toEqual({ snapshots: [], nextToken: '' });
      expect(await list({ volume: id })).toEqual({ snapshots: [], nextToken: '' });
    },
  );

  it.each(['invalid-token', '////', 'AAAA/abc@1/berth-a', 'c1/rbd/berth-a'])('token %s: ABORTED', async (token) => {
    await expect(list({ startingToken: token })).rejects.toEqual(code('BERTH_TOKEN_INVALID'));
    await expect(list({ startingToken: token, volume: volumes[0]! })).rejects.toEqual(code('BERTH_TOKEN_INVALID'));
    await expect(list({ startingToken: token, snapshot: handles[0]! })).rejects.toEqual(code('BERTH_TOKEN_INVALID'));
  });

  it('refuses a size below zero', async () => {
    await expect(list({ maxEntries: -1 })).rejects.toEqual(code('BERTH_FIELD_INVALID'));
  });

  it('goes on behind an image that was removed between two pages', async () => {
    const { nextToken } = await list({ maxEntries: 2 });
    cluster.image('berth-a')!.snapshots.length = 0;
    await cluster.rbd.remove(cluster.at('berth-a'), soon());
    const rest = await list({ startingToken: nextToken });
    expect(rest.snapshots.map(({ handle }) => handle)).toEqual(handles.slice(3));
  });

  it('reads each image once, and one by id in two operations', async () => {
    cluster.rbd.calls.length = 0;
    await list();
    const count = (operation: string) => cluster.rbd.calls.filter((one) => one.operation === operation).length;
    expect([count('snapshotsById'), count('head'), count('headById')]).toEqual([4, 0, 0]);
    cluster.rbd.calls.length = 0;
    await list({ snapshot: handles[0]! });
    expect(cluster.rbd.calls.map(({ operation }) => operation)).toEqual(['snapshotById', 'nameById']);
  });

  it('ends where its time is over, and goes on from there', async () => {
    // The page's share of the time is over at once, the caller's own is not.
    const deadline = new Proxy(soon(), {
      get: (real, name) => {
        const value = Reflect.get(real, name, real) as unknown;
        if (name === 'within') return () => Deadline.after(0);
        return typeof value === 'function' ? (value.bind(real) as unknown) : value;
      },
    });
    const { snapshots, nextToken } = await list({}, snapshotParts(cluster), deadline);
    expect(snapshots.length).toBeLessThan(handles.length);
    const rest = await list({ startingToken: nextToken });
    expect([...snapshots, ...rest.snapshots].map(({ handle }) => handle)).toEqual(handles);
  });

  it('an image that cannot be read hides no other one; a silent cluster fails the list', async () => {
    const broken = seeing({
      snapshotsById: async (at, id, deadline) => {
        if (id === cluster.image('berth-c')!.id) throw berthError('BERTH_CEPH_ERROR', { what: 'read', why: 'EIO' });
        return cluster.rbd.snapshotsById(at, id, deadline);
      },
    });
    expect((await list({}, broken)).snapshots).toHaveLength(5);
    const silent = seeing({
      list: () => Promise.reject(berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'silence' })),
    });
    await expect(list({}, silent)).rejects.toEqual(code('BERTH_CLUSTER_UNREACHABLE'));
  });
});

describe('a foreign image', () => {
  let now = 0;
  let parts: SnapshotServiceParts;
  const spec = {
    ...{ sizeBytes: GiB, features: DEFAULT_FEATURES, objectSizeBytes: undefined, stripeUnitBytes: undefined },
    ...{ stripeCount: undefined, dataPool: undefined, metadata: new Map<string, string>() },
  };
  const put = (name: string, metadata = spec.metadata) =>
    cluster.rbd.createImage(cluster.at(name), { ...spec, metadata }, soon());
  const theirs = JSON.stringify({ version: 1, name: 'v', created: '', shape: {}, installation: 'B' });
  beforeEach(async () => {
    now = 0;
    parts = {
      ...{ ...snapshotParts(cluster), installation: new Installation('A') },
      withoutSnapshots: ForeignImages.withoutSnapshots(() => now),
    };
    for (let n = 0; n < 20; n += 1) await put(`foreign-${n}`);
    for (let n = 0; n < 10; n += 1) await put(`theirs-${n}`, new Map([[VOLUME_KEY, theirs]]));
  });
  const reads = async (): Promise<number> => {
    cluster.rbd.calls.length = 0;
    await list({}, parts);
    return cluster.rbd.calls.filter(({ operation }) => operation === 'snapshotsById').length;
  };
  const known = async (): Promise<void> => {
    await list({}, parts);
    now += 120_000;
    await list({}, parts);
  };

  it('without snapshots of ours is read by no list once it is known, nor is another installation’s', async () => {
    expect(await reads()).toBe(4 + 30);
    now += 120_000;
    expect(await reads()).toBe(4 + 30);
    expect(await reads()).toBe(4);
    now += 2 * 300_000;
    expect(await reads()).toBe(4 + 30);
    expect(await reads()).toBe(4);
  });

  it('that is known is listed at once when it gets a snapshot by us, and by its own name at any time', async () => {
    await known();
    const foreign = 'c1/rbd/foreign-7';
    const { handle } = await createSnapshot(parts, { name: 'new', volume: foreign, secrets: noSecrets }, soon());
    expect((await list({}, parts)).snapshots.map((one) => one.handle)).toContain(handle);
    const other = await createSnapshot(
      snapshotParts(cluster),
      { name: 'by another', volume: 'c1/rbd/foreign-8', secrets: noSecrets },
      soon(),
    );
    const { snapshots } = await list({ volume: 'c1/rbd/foreign-8' }, parts);
    expect(snapshots.map((one) => one.handle)).toEqual([other.handle]);
  });

  it('that is known is listed within ten minutes when it gets a snapshot by another controller', async () => {
    await known();
    const elsewhere = { name: 'by another', volume: 'c1/rbd/foreign-8', secrets: noSecrets };
    const { handle } = await createSnapshot(snapshotParts(cluster), elsewhere, soon());
    now += 600_000;
    expect((await list({}, parts)).snapshots.map((one) => one.handle)).toContain(handle);
  });

  it('that is known among many ends no page early: each snapshot is told once in pages of any size', async () => {
    await known();
    const found: string[] = [];
    let startingToken = '';
    do {
      const page = await list({ maxEntries: 1, startingToken }, parts);
      found.push(...page.snapshots.map(({ handle }) => handle));
      startingToken = page.nextToken;
    } while (startingToken !== '');
    expect(found).toEqual(handles);
  });
});

describe('a token of ListSnapshots', () => {
  const places = [place(), place('rbd', 'team'), place('fast')];

  it('is read back as it was written', () => {
    const position = { index: 2, imageId: '10de7a1c3f42', snapshotId: 4n, image: 'berth-a' };
    expect(parseSnapshotToken(places, formatSnapshotToken(places, position))).toEqual(position);
    expect(parseSnapshotToken(places, '')).toBeUndefined();
  });

  it('leaves out a name that it has no room for, which is looked up then', () => {
    const position = { index: 0, imageId: '10de7a1c3f42', snapshotId: 4n, image: 'i'.repeat(124) };
    const token = formatSnapshotToken(places, position);
    expect(parseSnapshotToken(places, token)).toEqual({ ...position, image: undefined });
  });
});
