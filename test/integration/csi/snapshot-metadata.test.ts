/**
 * GetMetadataAllocated and GetMetadataDelta on the real cluster: what is told, replayed onto a copy of the older
 * snapshot, makes the newer one, whatever happened to the image between, and wherever the stream was cut.
 */
import { once } from 'node:events';
import { status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { begin, change, contents, replayed, take, type Asked, type Change } from './block-streams.js';
import { refused } from './calls.js';
import { block, MiB } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';
import { Snapshots } from './snapshots.js';
import type { Volume } from './volume.js';

/** Twelve objects. */
const SIZE = 12 * MiB;
const objectSize = '1Mi';
/** Every life of an image, and every pair of a clone's snapshots; else those that were hardest to get right. */
const ALL = process.env['BERTH_DIFF_ALL'] === '1';

let site: Site;
let driver: Driver;
let snapshots: Snapshots;
/** Removed at the end of a test. */
const byHand: string[] = [];

beforeAll(async () => {
  site = await Site.open('blocks');
  driver = await site.driver('controller', { services: 'identity,controller' }).start();
  snapshots = new Snapshots(site);
});
afterEach(async () => {
  for (const name of byHand.splice(0)) await site.rbd('snap', 'rm', '--no-progress', name);
  await snapshots.end();
  await site.endVolumes();
});
afterAll(() => site.close());

const write = (fill: number, at: number, bytes: number): Change => ({ fill, at, bytes });
const discard = (at: number, bytes: number): Change => ({ discard: true, at, bytes });
const make = (parameters: Record<string, string> = {}): Promise<Volume> =>
  site.create(driver, block(), { sizeBytes: SIZE, parameters: { objectSize, ...parameters } });
const cut = async (volume: Volume): Promise<string> => (await snapshots.take(driver, volume)).snapshotId;
async function cutByHand(name: string): Promise<void> {
  await site.rbd('snap', 'create', '--no-progress', name);
  byHand.push(name);
}
const resize = (image: string, mib: number): Promise<string> =>
  site.rbd('resize', '--no-progress', '--allow-shrink', '--size', `${mib}M`, image);

/** The streams of both kinds make the newer snapshot of the older one, and of nothing. */
async function expectReplay(image: string, older: string, newer: string): Promise<void> {
  const [before, after] = [await contents(site, image, older), await contents(site, image, newer)];
  const delta = await take(driver, { baseSnapshotId: older, targetSnapshotId: newer });
  expect(replayed(before, after, delta).equals(after), 'delta').toBe(true);
  const all = await take(driver, { snapshotId: newer });
  expect(replayed(Buffer.alloc(0), after, all).equals(after), 'allocated').toBe(true);
  for (const { capacity, blocks } of [delta, all]) {
    expect(capacity).toBe(after.length);
    let end = 0;
    for (const { offset, bytes } of blocks) {
      expect(offset).toBeGreaterThanOrEqual(end);
      expect(bytes).toBeGreaterThan(0);
      end = offset + bytes;
    }
    expect(end).toBeLessThanOrEqual(capacity);
  }
}

interface Life {
  readonly before?: readonly Change[];
  readonly after?: (image: string) => Promise<unknown>;
  readonly parameters?: Record<string, string>;
  /** Also in a short run. */
  readonly always?: true;
}

const full = [write(1, 0, SIZE)];
const LIVES: Readonly<Record<string, Life>> = {
  'nothing was ever written': {},
  'little is written here and there': {
    before: [write(1, 4096, 4096), write(1, 5 * MiB - 512, 1024)],
    after: (image) => change(site, image, SIZE, [write(2, 5 * MiB, 512), write(2, 11 * MiB, MiB)]),
  },
  'all is written anew': { before: full, after: (image) => change(site, image, SIZE, [write(2, 0, SIZE)]) },
  'objects, heads, middles and tails are discarded': {
    always: true,
    before: full,
    after: (image) =>
      change(site, image, SIZE, [
        discard(MiB, MiB),
        discard(3 * MiB, MiB / 2),
        discard(5.5 * MiB, MiB / 2),
        discard(7.25 * MiB, MiB / 4),
        discard(8.5 * MiB, 2 * MiB),
      ]),
  },
  'it grows and is written there': {
    before: [write(1, 0, MiB)],
    after: async (image) => {
      await resize(image, 20);
      await change(site, image, 20 * MiB, [write(2, 17 * MiB, 4096)]);
    },
  },
  'it is cut': { before: full, after: (image) => resize(image, 5) },
  'it is cut and grows again': {
    before: full,
    after: async (image) => {
      await resize(image, 5);
      await resize(image, 14);
    },
  },
  'it is cut, a snapshot is taken, and it grows again': {
    always: true,
    before: full,
    after: async (image) => {
      await resize(image, 5);
      await cutByHand(`${image}@between`);
      await resize(image, 14);
      await change(site, image, 14 * MiB, [write(3, 7 * MiB, 4096)]);
    },
  },
  'its data is striped': {
    before: [write(1, 0, 3 * MiB)],
    after: (image) => change(site, image, SIZE, [write(2, MiB, 65_536), write(2, 9 * MiB + 65_536, 65_536)]),
    parameters: { stripeUnit: '65536', stripeCount: '4' },
  },
};

describe('what is told of a volume', () => {
  it.each(Object.entries(LIVES).filter(([, { always }]) => ALL || always))(
    'makes the newer snapshot of the older one where %s',
    async (_, life) => {
      const volume = await make(life.parameters);
      const { image } = volume;
      if (life.before !== undefined) await change(site, image, SIZE, life.before);
      const older = await cut(volume);
      await life.after?.(image);
      await expectReplay(image, older, await cut(volume));
    },
  );

  it('makes it for a clone: written, discarded, cut and grown, and when it stands on its own', async () => {
    const source = await make();
    await change(site, source.image, SIZE, [write(1, 0, 8 * MiB)]);
    const snapshotId = await cut(source);
    const request = site.request(block(), { sizeBytes: SIZE, parameters: { objectSize } });
    const asked = { ...request, volumeContentSource: { snapshot: { snapshotId } } };
    const { volume } = await driver.controller.CreateVolume(asked);
    const clone = site.track(volume!.volumeId, block(), driver);
    const taken = [await cut(clone)];
    await change(site, clone.image, SIZE, [write(2, 0, 4096), discard(2 * MiB, MiB), discard(4.5 * MiB, MiB)]);
    taken.push(await cut(clone));
    await resize(clone.image, 5);
    await resize(clone.image, 12);
    taken.push(await cut(clone));
    await site.rbd('flatten', '--no-progress', clone.image);
    taken.push(await cut(clone));
    for (const [n, newer] of taken.entries()) {
      for (const older of taken.slice(ALL ? 0 : Math.max(0, n - 1), n)) await expectReplay(clone.image, older, newer);
    }
  });

  it('is told of a deleted volume as well', async () => {
    const volume = await make();
    const older = await cut(volume);
    await change(site, volume.image, SIZE, [write(1, 0, MiB)]);
    const newer = await cut(volume);
    await driver.controller.DeleteVolume({ volumeId: volume.id, secrets: site.secrets() });
    const blocks = [{ offset: 0, bytes: MiB }];
    const delta = { baseSnapshotId: older, targetSnapshotId: newer };
    expect(await take(driver, delta)).toMatchObject({ capacity: SIZE, blocks });
    expect(await take(driver, { snapshotId: newer })).toMatchObject({ capacity: SIZE, blocks });
    expect(await take(driver, { snapshotId: older })).toEqual({ capacity: SIZE, blocks: [], messages: 1 });
  });
});

describe('a stream', () => {
  it('that is cut off anywhere is gone on with by the offset at which it ended, or any other', async () => {
    const volume = await make();
    const odd = Array.from({ length: 6 }, (_, n) => write(1, 2 * n * MiB, 4096));
    await change(site, volume.image, SIZE, odd);
    const older = await cut(volume);
    await change(site, volume.image, SIZE, [...odd.slice(1), discard(0, MiB)]);
    const newer = await cut(volume);
    for (const asked of [{ baseSnapshotId: older, targetSnapshotId: newer }, { snapshotId: newer }] as Asked[]) {
      const whole = await take(driver, { ...asked, maxResults: 1 });
      expect(whole.messages).toBe(whole.blocks.length);
      expect(whole.blocks.length).toBeGreaterThanOrEqual(5);
      for (let most = 1; most < whole.messages; most += 1) {
        const begun = await take(driver, { ...asked, maxResults: 1 }, most);
        const { offset, bytes } = begun.blocks.at(-1)!;
        const rest = await take(driver, { ...asked, startingOffset: offset + bytes, maxResults: 2 });
        expect([...begun.blocks, ...rest.blocks]).toEqual(whole.blocks);
      }
      const startingOffset = whole.blocks[1]!.offset + 4096;
      const within = await take(driver, { ...asked, startingOffset });
      expect(within.blocks).toEqual([{ offset: startingOffset, bytes: MiB - 4096 }, ...whole.blocks.slice(2)]);
    }
  });

  it('is refused as the contract says', async () => {
    const [volume, other] = [await make(), await make({ imageFeatures: 'layering' })];
    const [older, newer] = [await cut(volume), await cut(volume)];
    const [foreign, later] = [await cut(other), await cut(other)];
    const refusal = async (code: string, asked: Asked, words: RegExp): Promise<void> => {
      const stream = begin(driver, asked).resume();
      const [error] = (await once(stream, 'error')) as [ServiceError];
      await refused(Promise.reject(error), code, words);
    };
    const unknown = newer.replace(/\d+$/, '4000000000');
    await refusal('INVALID_ARGUMENT', { snapshotId: '' }, /snapshot_id/);
    await refusal('INVALID_ARGUMENT', { baseSnapshotId: '', targetSnapshotId: newer }, /base_snapshot_id/);
    await refusal('INVALID_ARGUMENT', { baseSnapshotId: older, targetSnapshotId: '' }, /target_snapshot_id/);
    for (const none of ['x', unknown, newer.replace('dev/', 'other/')]) {
      await refusal('NOT_FOUND', { snapshotId: none }, /BERTH_SNAPSHOT_NOT_FOUND/);
      await refusal('NOT_FOUND', { baseSnapshotId: none, targetSnapshotId: newer }, /BERTH_SNAPSHOT_NOT_FOUND/);
      await refusal('NOT_FOUND', { baseSnapshotId: older, targetSnapshotId: none }, /BERTH_SNAPSHOT_NOT_FOUND/);
    }
    for (const base of [newer, foreign])
      await refusal('INVALID_ARGUMENT', { baseSnapshotId: base, targetSnapshotId: older }, /BERTH_BASE_UNFIT/);
    for (const startingOffset of [-1, SIZE + 1])
      await refusal('OUT_OF_RANGE', { snapshotId: newer, startingOffset }, /BERTH_OFFSET_OUT_OF_RANGE/);
    await refusal('INVALID_ARGUMENT', { snapshotId: newer, maxResults: -1 }, /max_results/);
    await refusal('FAILED_PRECONDITION', { baseSnapshotId: foreign, targetSnapshotId: later }, /fast-diff/);
    expect(await take(driver, { snapshotId: later })).toEqual({ capacity: SIZE, blocks: [], messages: 1 });
    expect(await take(driver, { snapshotId: newer, startingOffset: SIZE })).toMatchObject({ blocks: [] });
  });

  it('is refused where a snapshot between the two has an object map that is marked invalid', async () => {
    const volume = await make();
    const older = await cut(volume);
    const between = await cut(volume);
    const newer = await cut(volume);
    const asked = { baseSnapshotId: older, targetSnapshotId: newer };
    expect((await take(driver, asked)).blocks).toEqual([]);
    const name = JSON.parse(await site.rbd('snap', 'ls', volume.image, '--format', 'json')) as {
      name: string;
      id: number;
    }[];
    const { name: middle } = name.find(({ id }) => between.endsWith(`@${id}`))!;
    await site.rbd('feature', 'disable', volume.image, 'fast-diff');
    await site.rbd('feature', 'enable', volume.image, 'fast-diff');
    const stream = begin(driver, asked).resume();
    const [error] = (await once(stream, 'error')) as [ServiceError];
    expect(error).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringMatching(/object-map rebuild/) as string,
    });
    for (const each of [middle, ...name.map((one) => one.name)])
      await site.rbd('object-map', 'rebuild', '--no-progress', `${volume.image}@${each}`);
    expect((await take(driver, asked)).capacity).toBe(SIZE);
  });
});
