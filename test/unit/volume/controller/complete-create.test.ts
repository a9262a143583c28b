/**
 * An image of our name without our record: completed where a create of ours was cut short, never taken from somebody
 * else.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { berthError } from '../../../../src/model/errors.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { DEFAULT_FEATURES } from '../../../../src/volume/image/image-features.js';
import { FILESYSTEM_KEY, formatProvenance, parseProvenance } from '../../../../src/volume/image/provenance.js';
import { parseVolumeRecord, VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import type { MemoryImage } from '../../../fakes/rbd-memory.js';
import { memoryCluster, creation, GiB, soon } from './memory-cluster.js';
import { createParts } from './use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof createParts>;
beforeEach(() => {
  parts = createParts(cluster);
});
const OWN = { id: 'x', fsid: 'y' };
const labels = { 'csi.storage.k8s.io/pvc/name': 'data' } as never;
const request = creation('v', { parameters: labels });
const create = () => createVolume(parts, request, soon());

let image: MemoryImage;
const spec = {
  ...{ objectSizeBytes: undefined, stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined },
  metadata: new Map<string, string>(),
};
const prepare = async (features: readonly string[] = DEFAULT_FEATURES, sizeBytes = GiB): Promise<void> => {
  await cluster.rbd.createImage(cluster.at('berth-v'), { ...spec, sizeBytes, features }, soon());
  image = cluster.image('berth-v')!;
};
const expectComplete = (): void => {
  expect(parseVolumeRecord(image.metadata, 'v')).toMatchObject({ name: 'v' });
  expect(parseProvenance({ ...image, fsid: cluster.rbd.fsid }, 'v')).toEqual({ state: 'never' });
  expect(image.metadata.get('csi.storage.k8s.io/pvc/name')).toBe('data');
};

describe('a create that was cut short', () => {
  beforeEach(() => prepare());

  it('is completed by the next one', async () => {
    expect(await create()).toEqual({ volume: 'c1/rbd/berth-v', sizeBytes: GiB });
    expectComplete();
  });

  it.each(['setMetadata', 'compareAndSet', 'isEmpty', 'inspect', 'head'] as const)(
    'and whose completion failed in %s is completed by the one after',
    async (operation) => {
      cluster.rbd.failNext(operation, () => berthError('BERTH_WORKER_DIED', { how: 'SIGSEGV', what: operation }));
      await expect(create()).rejects.toMatchObject({ code: 'BERTH_WORKER_DIED' });
      expect(await create()).toMatchObject({ sizeBytes: GiB });
      expectComplete();
    },
  );

  it('and whose completion died before its last step is completed by the one after', async () => {
    const real = cluster.rbd.compareAndSet.bind(cluster.rbd);
    vi.spyOn(cluster.rbd, 'compareAndSet').mockImplementation((...args) =>
      args[2] === VOLUME_KEY ? Promise.reject(new Error('died')) : real(...args),
    );
    await expect(create()).rejects.toThrow('died');
    expect(image.metadata.has(VOLUME_KEY)).toBe(false);
    vi.restoreAllMocks();
    await create();
    expectComplete();
  });

  it('is completed once by two controllers that find it at the same time', async () => {
    await Promise.all([create(), createVolume(createParts(cluster), request, soon())]);
    expectComplete();
  });

  it('is not answered with another shape that won the race', async () => {
    const otherShape = creation('v', { parameters: { mounter: 'nbd' } });
    const real = cluster.rbd.isEmpty.bind(cluster.rbd);
    // Between our look and our record another controller completes it in its own way.
    vi.spyOn(cluster.rbd, 'isEmpty').mockImplementationOnce(async (...args) => {
      const empty = await real(...args);
      await createVolume(createParts(cluster), otherShape, soon());
      return empty;
    });
    await expect(create()).rejects.toThrow(/BERTH_VOLUME_INCOMPATIBLE: .* another mounter: nbd, asked for auto/);
    expect(parseVolumeRecord(image.metadata, 'v')).toMatchObject({ shape: { mounter: 'nbd' } });
  });

  it('never takes back a format that happened meanwhile', async () => {
    const formatted = formatProvenance({ state: 'formatted', type: 'ext4', uuid: 'u' }, 'v', OWN);
    const real = cluster.rbd.isEmpty.bind(cluster.rbd);
    vi.spyOn(cluster.rbd, 'isEmpty').mockImplementationOnce(async (...args) => {
      const empty = await real(...args);
      image.metadata.set(FILESYSTEM_KEY, formatted);
      return empty;
    });
    await create();
    expect(image.metadata.get(FILESYSTEM_KEY)).toBe(formatted);
  });

  it('with another size than is asked for now is told as such', async () => {
    const larger = createVolume(parts, { ...request, range: { required: 2n * GiB, limit: 0n } }, soon());
    await expect(larger).rejects.toMatchObject({ code: 'BERTH_VOLUME_INCOMPATIBLE' });
    expect(image.metadata.size).toBe(0);
  });
});

describe('an image that is not ours', () => {
  it.each<[string, (one: MemoryImage) => void, RegExp]>([
    ['holds data', (one) => (one.written = true), /it holds data/],
    ['has a parent', (one) => (one.parent = 'rbd//base@snap'), /a parent or snapshots/],
    ['has a snapshot', (one) => one.snapshots.push('s'), /a parent or snapshots/],
    ['is open', (one) => one.watchers.push({ address: '10.0.0.1:0/7', client: 7n }), /open at 10\.0\.0\.1:0\/7/],
    ['has metadata', (one) => one.metadata.set('owner', 'bob'), /metadata of somebody else/],
    ['has a holder', (one) => one.metadata.set(HOLDER_KEY, '{}'), /metadata of somebody else/],
    [
      'was formatted',
      (one) =>
        one.metadata.set(FILESYSTEM_KEY, formatProvenance({ state: 'formatted', type: 'ext4', uuid: 'u' }, 'v', OWN)),
      /metadata of somebody else/,
    ],
  ])('because it %s is refused and left as it is', async (_what, change, why) => {
    await prepare();
    change(image);
    const before = new Map(image.metadata);
    await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_FOREIGN', status: 'ALREADY_EXISTS' });
    await expect(create()).rejects.toThrow(why);
    expect(image.metadata).toEqual(before);
    expect(cluster.image('berth-v')).toBe(image);
  });

  it('because it has other features is refused', async () => {
    await prepare(['layering']);
    await expect(create()).rejects.toThrow(/IMAGE_FOREIGN.*it has the features layering/);
  });

  it('is called foreign, not "delete it first", whatever its size', async () => {
    await prepare(DEFAULT_FEATURES, GiB / 2n);
    image.written = true;
    await expect(create()).rejects.toMatchObject({ code: 'BERTH_IMAGE_FOREIGN' });
  });

  it('is not suspected for features that Ceph adds or leaves out by itself', async () => {
    await prepare([...DEFAULT_FEATURES, 'data-pool']);
    expect(await create()).toMatchObject({ sizeBytes: GiB });
    await cluster.rbd.remove(cluster.at('berth-v'), soon());
    await prepare(DEFAULT_FEATURES);
    const striped = { ...(labels as object), imageFeatures: [...DEFAULT_FEATURES, 'striping'].join(',') } as never;
    expect(await createVolume(parts, creation('v', { parameters: striped }), soon())).toMatchObject({ sizeBytes: GiB });
  });

  it('with a record that cannot be read is refused', async () => {
    await prepare();
    image.metadata.set(VOLUME_KEY, '{"version":9}');
    await expect(create()).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
  });
});
