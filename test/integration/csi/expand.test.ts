/** Growth: while a volume is in use, between two uses, and what the node says of its size before and after. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refused } from './calls.js';
import { block, ext4, MiB, mount, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { deviceSize, df, get, hashOf, hasSector, keepWriting, payload, put, putSector } from './files.js';
import { Site } from './site.js';

let site: Site;
let one: Driver;
let two: Driver;

beforeAll(async () => {
  site = await Site.open('grow');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

/** What a filesystem may take for itself of what it is given. */
const OVERHEAD = 0.85;

describe('NodeExpand, a filesystem in use', () => {
  it('(xfs) grows under a pod that writes, keeps its data, and may be grown again and again', async () => {
    const volume = await site.create(one, xfs(), { sizeBytes: XFS_BYTES });
    const target = await volume.bring(one);
    const { text, hash } = payload(2 * MiB, 'kept');
    await put(target, text);
    const stop = keepWriting(target);
    const before = await df(target);
    for (const [size, times] of [
      [512 * MiB, 2],
      [1024 * MiB, 1],
    ] as const) {
      for (let time = 0; time < times; time += 1) {
        const { capacityBytes, nodeExpansionRequired } = await volume.expand(size);
        expect(capacityBytes).toBe(String(size));
        expect(nodeExpansionRequired).toBe(true);
        expect(await volume.expandOn(one, size, target)).toBe(String(size));
      }
      expect(Number((await df(target)).size)).toBeGreaterThan(size * OVERHEAD);
    }
    expect(await stop()).toBeGreaterThan(3);
    expect((await df(target)).size).toBeGreaterThan(before.size * 2n);
    expect(hashOf(await get(target))).toBe(hash);
    const { usage } = await one.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: target });
    const bytes = usage.find((entry) => entry.unit === 'BYTES')!;
    const now = await df(target);
    expect([bytes.total, bytes.used, bytes.available]).toEqual([
      String(now.size),
      String(now.used),
      String(now.available),
    ]);
  });

  it('grows by its staging path too, and is left alone where nothing has changed', async () => {
    const volume = await site.create(one, xfs(), { sizeBytes: XFS_BYTES });
    const target = await volume.bring(one);
    const before = await df(target);
    expect(await volume.expandOn(one, XFS_BYTES, target)).toBe(String(XFS_BYTES));
    expect(await df(target)).toEqual(before);
    await volume.expand(400 * MiB);
    expect(await volume.expandOn(one, 400 * MiB, await one.stagingPath(volume.id))).toBe(String(400 * MiB));
    expect((await df(target)).size).toBeGreaterThan(before.size);
  });

  it('(ext4) grows, or says that this machine cannot do it and does it at the next stage', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(one);
    await put(target, 'kept');
    await volume.expand(128 * MiB);
    const grown = await volume.expandOn(one, 128 * MiB, target).catch((error: unknown) => error);
    if (typeof grown === 'string') expect(grown).toBe(String(128 * MiB));
    else await refused(volume.expandOn(one, 128 * MiB, target), 'FAILED_PRECONDITION', /grow/);
    await put(target, 'still writable', 'after');
    await volume.leave(one);
    const again = await volume.bring(one);
    expect(Number((await df(again)).size)).toBeGreaterThan(128 * MiB * OVERHEAD);
    expect([await get(again), await get(again, 'after')]).toEqual(['kept', 'still writable']);
  });
});

describe('NodeExpand, a raw block volume in use', () => {
  it('shows its new size to the pod that has it open, with its bytes unchanged', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    const device = await volume.bring(one);
    await putSector(device, 0, 'kept');
    await volume.expand(96 * MiB);
    expect(await volume.expandOn(one, 96 * MiB, device)).toBe(String(96 * MiB));
    expect(await deviceSize(device)).toBe(96 * MiB);
    await putSector(device, 96 * MiB - 4096, 'new end');
    expect(await hasSector(device, 0, 'kept')).toBe(true);
    const { usage } = await one.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: device });
    expect(usage.find((entry) => entry.unit === 'BYTES')!.total).toBe(String(96 * MiB));
  });
});

describe('ControllerExpand and NodeStage, a volume that nobody uses', () => {
  it.each(['xfs', 'ext4'])('(%s) has grown by the time that it is staged again, on whatever node', async (fsType) => {
    const size = fsType === 'xfs' ? XFS_BYTES : SMALL_BYTES;
    const volume = await site.create(one, mount(fsType), { sizeBytes: size });
    await put(await volume.bring(one), 'kept');
    await volume.leave(one);
    await volume.expand(2 * size);
    const target = await volume.bring(two);
    expect(Number((await df(target)).size)).toBeGreaterThan(2 * size * OVERHEAD);
    expect(await get(target)).toBe('kept');
  });

  it('that was never formatted is formatted at its new size', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.expand(96 * MiB);
    const target = await volume.bring(one);
    expect(Number((await df(target)).size)).toBeGreaterThan(96 * MiB * OVERHEAD);
  });

  it('whose PersistentVolume is ahead of its image is refused by the node, which says which is which', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(one);
    const has = `image ${volume.image} of volume .* has ${SMALL_BYTES} bytes in Ceph`;
    const says = new RegExp(`BERTH_IMAGE_TOO_SMALL: ${has}, .*wants ${2 * SMALL_BYTES};`);
    await refused(volume.expandOn(one, 2 * SMALL_BYTES, target), 'OUT_OF_RANGE', says);
  });

  it('cannot be asked of a node where it is not', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.expand(96 * MiB);
    await refused(volume.expandOn(two, 96 * MiB, await two.stagingPath(volume.id)), 'NOT_FOUND');
  });
});

describe('ControllerExpand, impossible sizes', () => {
  it('change nothing', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    const ask = (capacityRange: object) =>
      one.controller.ControllerExpandVolume({ volumeId: volume.id, capacityRange, secrets: site.secrets() });
    await refused(ask({ requiredBytes: '-1' }), ['INVALID_ARGUMENT', 'OUT_OF_RANGE']);
    await refused(ask({ requiredBytes: '0', limitBytes: '0' }), 'INVALID_ARGUMENT');
    await refused(ask({ requiredBytes: String(64 * MiB), limitBytes: String(48 * MiB) }), [
      'INVALID_ARGUMENT',
      'OUT_OF_RANGE',
    ]);
    await refused(ask({ requiredBytes: '9223372036854775807' }), 'OUT_OF_RANGE');
    await refused(ask({ requiredBytes: String(2 ** 50) }), 'OUT_OF_RANGE');
    await refused(ask({ requiredBytes: String(SMALL_BYTES + 1), limitBytes: String(SMALL_BYTES + 2) }), 'OUT_OF_RANGE');
    const { volume: seen } = await one.controller.ControllerGetVolume({ volumeId: volume.id });
    expect(seen!.capacityBytes).toBe(String(SMALL_BYTES));
  });
});
