/** ControllerExpandVolume: grows or leaves, never shrinks, and never leaves the asked range. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { FILESYSTEM_KEY, formatProvenance } from '../../../../src/volume/image/provenance.js';
import { expandVolume } from '../../../../src/volume/controller/expand-volume.js';
import { memoryCluster, creation, GiB, MiB, noSecrets, soon } from './memory-cluster.js';
import { createParts, expandParts } from './use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof expandParts>;
beforeEach(() => {
  parts = expandParts(cluster);
});
const volume = 'c1/rbd/berth-v';
const expand = (required: bigint, limit = 0n, at = volume) =>
  expandVolume(parts, { volume: at, range: { required, limit }, secrets: noSecrets }, soon());

beforeEach(() => createVolume(createParts(cluster), creation('v'), soon()));

describe('expanding', () => {
  it('grows to what is required, in whole MiB, and again is a success', async () => {
    expect(await expand(2n * GiB)).toBe(2n * GiB);
    expect(await expand(2n * GiB)).toBe(2n * GiB);
    expect(await expand(2n * GiB + 1n)).toBe(2n * GiB + MiB);
    expect(cluster.image('berth-v')!.sizeBytes).toBe(2n * GiB + MiB);
  });

  it('to exactly what the limit forces', async () => {
    expect(await expand(GiB + 512n, GiB + 512n)).toBe(GiB + 512n);
  });

  it('to less, or with a limit alone that it fits, leaves it as it is', async () => {
    expect(await expand(1n)).toBe(GiB);
    expect(await expand(0n, 5n * GiB)).toBe(GiB);
    expect(cluster.rbd.calls.some((one) => one.operation === 'resize')).toBe(false);
  });

  it.each<[string, bigint, bigint, string, string]>([
    ['below its size', 1n, GiB - 1n, 'BERTH_SHRINK_REFUSED', 'OUT_OF_RANGE'],
    ['upside down', 2n, 1n, 'BERTH_SIZE_OUT_OF_RANGE', 'OUT_OF_RANGE'],
    ['to a size that is no sector', GiB + 1n, GiB + 1n, 'BERTH_SIZE_OUT_OF_RANGE', 'OUT_OF_RANGE'],
    ['above the pool', 2n << 40n, 0n, 'BERTH_SIZE_OUT_OF_RANGE', 'OUT_OF_RANGE'],
    ['below zero', -1n, 0n, 'BERTH_FIELD_INVALID', 'INVALID_ARGUMENT'],
    ['by nothing', 0n, 0n, 'BERTH_FIELD_INVALID', 'INVALID_ARGUMENT'],
  ])('%s is refused', async (_what, required, limit, code, status) => {
    await expect(expand(required, limit)).rejects.toMatchObject({ code, status });
    expect(cluster.image('berth-v')!.sizeBytes).toBe(GiB);
  });

  it('without a range, or of no volume, is refused', async () => {
    const nothing = expandVolume(parts, { volume, range: undefined, secrets: noSecrets }, soon());
    await expect(nothing).rejects.toThrow(/BERTH_FIELD_MISSING: capacity_range/);
    for (const at of ['x', 'c1/rbd/gone', 'c2/rbd/berth-v']) {
      await expect(expand(GiB, 0n, at)).rejects.toMatchObject({ code: 'BERTH_VOLUME_NOT_FOUND' });
    }
  });

  it('is measured at the data pool of the volume', async () => {
    await createVolume(createParts(cluster), creation('w', { parameters: { dataPool: 'ec' } }), soon());
    const asked: string[] = [];
    const other = expandParts(cluster);
    cluster.rbd.poolStats = (at) => {
      asked.push(at.pool);
      return Promise.resolve({ availableBytes: 9n * GiB, storedBytes: 0n });
    };
    const range = { required: 2n * GiB, limit: 0n };
    await expandVolume(other, { volume: 'c1/rbd/berth-w', range, secrets: noSecrets }, soon());
    expect(asked).toEqual(['ec']);
  });

  it('to two sizes at once tells the second what runs', async () => {
    const both = await Promise.allSettled([expand(2n * GiB), expand(3n * GiB)]);
    expect(both).toMatchObject([{ status: 'fulfilled' }, { reason: { code: 'BERTH_BUSY' } }]);
  });
});

describe('expanding beyond what its filesystem can become', () => {
  /** An ext4 of blocks of 1 KiB as mke2fs makes it: it ends just below 1 TiB. */
  const page = Buffer.alloc(4096);
  page.writeUInt16LE(0xef53, 1024 + 0x38);
  page.writeUInt32LE(1, 1024 + 0x14);
  page.writeUInt32LE(8192, 1024 + 0x20);
  page.writeUInt32LE(2048, 1024 + 0x28);
  page.writeUInt16LE(64, 1024 + 0xfe);
  page.writeUInt32LE(0x80, 1024 + 0x60);
  const hold = (state: 'never' | 'formatted' | 'raw') => {
    const image = cluster.image('berth-v')!;
    image.start = page;
    const uuid = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';
    const of = state === 'formatted' ? ({ state, type: 'ext4', uuid } as const) : { state };
    image.metadata.set(FILESYSTEM_KEY, formatProvenance(of, volume, { id: image.id, fsid: cluster.rbd.fsid }));
    cluster.rbd.stats = { availableBytes: 1n << 50n, storedBytes: 0n };
  };
  const TiB = 1024n * GiB;

  it('is refused with both numbers, before the image has grown', async () => {
    hold('formatted');
    await expect(expand(TiB)).rejects.toMatchObject({ code: 'BERTH_GROWTH_IMPOSSIBLE', status: 'OUT_OF_RANGE' });
    await expect(expand(TiB)).rejects.toThrow(
      /ext4 .*cannot grow to 1099511627776 bytes.* 1099377411072 bytes at most/,
    );
    expect(cluster.image('berth-v')!.sizeBytes).toBe(GiB);
    expect(await expand(TiB - GiB)).toBe(TiB - GiB);
  });

  it('is done where no filesystem of ours is on it', async () => {
    hold('raw');
    expect(await expand(TiB)).toBe(TiB);
    cluster.image('berth-v')!.metadata.delete(FILESYSTEM_KEY);
    const range = { required: 2n * TiB, limit: 0n };
    expect(await expandVolume(parts, { volume, range, secrets: noSecrets, isBlock: true }, soon())).toBe(2n * TiB);
  });

  it('is refused for an image that others made and formatted', async () => {
    hold('raw');
    cluster.image('berth-v')!.metadata.delete(FILESYSTEM_KEY);
    await expect(expand(TiB)).rejects.toMatchObject({ code: 'BERTH_GROWTH_IMPOSSIBLE' });
  });
});
