/** A create that died before its image had a header: a name that nobody can open and nobody can take. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { DEFAULT_FEATURES } from '../../../../src/volume/image/image-features.js';
import { SKEW_MS, UNDER_WAY_MS } from '../../../../src/volume/controller/create/interrupted-create.js';
import { memoryCluster, creation, GiB, soon } from './memory-cluster.js';
import { createParts } from './use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof createParts>;
beforeEach(() => {
  parts = createParts(cluster);
});
const create = (name = 'v') => createVolume(parts, creation(name), soon());
const spec = {
  ...{ objectSizeBytes: undefined, stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined },
  ...{ metadata: new Map<string, string>(), sizeBytes: GiB, features: DEFAULT_FEATURES },
};

async function halfMake(): Promise<void> {
  await cluster.rbd.createImage(cluster.at('berth-v'), spec, soon());
  cluster.rbd.halve(cluster.at('berth-v'));
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  await halfMake();
});
afterEach(() => vi.useRealTimers());

it('is left alone while another client may be making it', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_UNFINISHED', status: 'ABORTED' });
  vi.advanceTimersByTime(UNDER_WAY_MS - 1_000);
  await expect(create()).rejects.toThrow(/since 89 s/);
  expect(cluster.rbd.calls.some(({ operation }) => operation === 'remove')).toBe(false);
});

it('is cleared away and made anew when nobody can be making it any more', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_UNFINISHED' });
  vi.advanceTimersByTime(UNDER_WAY_MS + 1);
  expect(await create()).toEqual({ volume: 'c1/rbd/berth-v', sizeBytes: GiB });
  expect(cluster.image('berth-v')?.metadata.size).toBeGreaterThan(0);
});

it('is cleared away by a controller that has just begun, where its name is old enough for any clock', async () => {
  const spec = 'rbd/berth-v';
  const [key] = [...cluster.rbd.names.written.keys()].filter((one) => one.endsWith(spec));
  cluster.rbd.names.written.set(key!, Date.now() - UNDER_WAY_MS - SKEW_MS + 5_000);
  await expect(create()).rejects.toThrow(/since 85 s/);
  parts = createParts(cluster);
  cluster.rbd.names.written.set(key!, Date.now() - UNDER_WAY_MS - SKEW_MS - 1_000);
  expect(await create()).toMatchObject({ sizeBytes: GiB });
});

it('is left alone where its name is of a time that has not come', async () => {
  for (const key of cluster.rbd.names.written.keys()) cluster.rbd.names.written.set(key, Date.now() + 1e9);
  await expect(create()).rejects.toThrow(/since 0 s/);
});

it('is left alone where it is another one than was seen before', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_UNFINISHED' });
  vi.advanceTimersByTime(UNDER_WAY_MS + 1);
  await cluster.rbd.remove(cluster.at('berth-v'), soon());
  await halfMake();
  await expect(create()).rejects.toThrow(/since 0 s/);
});

it('and that its maker finishes is answered like any volume', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_UNFINISHED' });
  await cluster.rbd.remove(cluster.at('berth-v'), soon());
  await createVolume(createParts(cluster), creation('v'), soon());
  expect(await create()).toMatchObject({ sizeBytes: GiB });
});

it('whose removal fails is tried again by the next call', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_UNFINISHED' });
  vi.advanceTimersByTime(UNDER_WAY_MS + 1);
  cluster.rbd.failNext('remove', () => new Error('the worker died'));
  await expect(create()).rejects.toThrow('the worker died');
  expect(await create()).toMatchObject({ sizeBytes: GiB });
});

it('whose removal was cut short at its last step is gone at once', async () => {
  await cluster.rbd.remove(cluster.at('berth-v'), soon());
  await cluster.rbd.createImage(cluster.at('berth-v'), spec, soon());
  cluster.rbd.halve(cluster.at('berth-v'), 'dead entry');
  expect(await create()).toMatchObject({ sizeBytes: GiB });
});

it('is never cleared away where it had a header and lost it: its data may still be saved', async () => {
  await createVolume(parts, creation('w'), soon());
  cluster.rbd.halve(cluster.at('berth-w'), 'damaged');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await expect(create('w')).rejects.toMatchObject({ code: 'BERTH_BUSY' });
    vi.advanceTimersByTime(UNDER_WAY_MS + 1);
  }
  expect(cluster.rbd.calls.some(({ operation }) => operation === 'remove')).toBe(false);
});
