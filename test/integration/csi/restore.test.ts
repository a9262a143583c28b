/**
 * Volumes that begin as a copy: of a snapshot, also of a deleted volume, and of a volume that is in use. What is in the
 * copy is what was there when it was cut; what the image says of itself is its own.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import type { VolumeContentSource } from '../../../src/csi/gen/csi/v1/VolumeContentSource.js';
import { run } from '../../../src/host/process/exec.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { GUEST_KEY } from '../../../src/volume/image/guest-mark.js';
import { FILESYSTEM_KEY } from '../../../src/volume/image/provenance.js';
import { VOLUME_KEY } from '../../../src/volume/image/volume-record.js';
import { refused } from './calls.js';
import { block, ext4, MiB, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, hasSector, put, putSector } from './files.js';
import { Site, type CreateOptions } from './site.js';
import type { Volume } from './volume.js';

let site: Site;
let one: Driver;
/** Snapshots by hand, removed when the copies are gone. */
const snapshots: string[] = [];

beforeAll(async () => {
  site = await Site.open('restore');
  one = await site.driver('node-one').start();
});
afterEach(async () => {
  // The copies first, in reverse: what they stand on is kept for them.
  for (const copy of copies.splice(0).toReversed()) await copy.end();
  // Who removes a copy opens what it stood on for a moment, and a delete refuses what somebody has open.
  await expect.poll(() => site.deleted(), { timeout: 60_000 }).toEqual([]);
  for (const name of snapshots.splice(0)) await site.rbd('snap', 'rm', '--no-progress', name).catch(() => undefined);
  await site.endVolumes();
});
afterAll(() => site.close());

const copies: Volume[] = [];
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await site.rbd(...args, '--format', 'json')) as T;

/** A snapshot with the handle that Berth gives it. */
async function snapshotOf({ image }: Volume, name = site.unique('berth-snap')): Promise<VolumeContentSource> {
  await site.rbd('snap', 'create', '--no-progress', `${image}@${name}`);
  snapshots.push(`${image}@${name}`);
  const { id } = await json<{ id: string }>('info', image);
  const cut = (await json<{ id: number; name: string }[]>('snap', 'ls', image)).find((each) => each.name === name)!;
  return { snapshot: { snapshotId: `dev/${site.pool}/${site.namespace}/${id}@${cut.id}` } };
}
const volumeSource = ({ id }: Volume): VolumeContentSource => ({ volume: { volumeId: id } });

interface CopyOptions extends CreateOptions {
  /** Also undefined: no range at all. */
  readonly limitBytes?: number;
}

const copyRequest = (capability: VolumeCapability, source: VolumeContentSource, options: CopyOptions = {}) => ({
  ...site.request(capability, options),
  volumeContentSource: source,
});

async function copy(source: VolumeContentSource, capability: VolumeCapability, options?: CopyOptions): Promise<Volume> {
  const { volume } = await one.controller.CreateVolume(copyRequest(capability, source, options));
  expect(volume?.contentSource).toMatchObject(source);
  const made = site.adopt(volume!.volumeId, capability, one);
  copies.push(made);
  return made;
}

const uuidOf = async (target: string): Promise<string> => {
  const { source } = (await mountAt(target))!;
  const args = ['--probe', '--match-tag', 'UUID', '--output', 'value', source];
  return (await run('blkid', args, { deadline: Deadline.after(30_000) })).stdout;
};
const recordOf = async ({ image }: Volume, key: string): Promise<Record<string, unknown> | undefined> => {
  const text = (await site.metadata(image))[key];
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
};
const userSnapshots = async ({ image }: Volume): Promise<readonly string[]> =>
  (await json<{ name: string }[]>('snap', 'ls', image)).map(({ name }) => name);

/** A volume that a pod has written, still in use there. */
async function written(capability: VolumeCapability, sizeBytes: number): Promise<{ volume: Volume; target: string }> {
  const volume = await site.create(one, capability, { sizeBytes });
  const target = await volume.bring(one);
  await put(target, 'at the cut');
  return { volume, target };
}

describe('a restore', () => {
  it('has what was there at the cut, beside its source on one node, each with its own holder', async () => {
    const { volume, target } = await written(ext4(), SMALL_BYTES);
    const source = await snapshotOf(volume);
    await put(target, 'after the cut');
    const restored = await copy(source, ext4(), { sizeBytes: SMALL_BYTES });
    expect(await recordOf(restored, HOLDER_KEY)).toBeUndefined();
    expect(await get(await restored.bring(one))).toBe('at the cut');
    expect(await get(target)).toBe('after the cut');
    expect(await recordOf(restored, FILESYSTEM_KEY)).toMatchObject({ state: 'formatted', copied: true });
    expect(await recordOf(restored, VOLUME_KEY)).toMatchObject({ source: { kind: 'snapshot' } });
  });

  it('of an xfs gets a uuid of its own at its first mount, once, and a second copy another one', async () => {
    const { volume, target } = await written(xfs(), XFS_BYTES);
    const source = await snapshotOf(volume);
    const [first, second] = [await copy(source, xfs()), await copy(source, xfs())];
    const targets = [target, await first.bring(one), await second.bring(one)];
    for (const each of targets) expect(await get(each)).toBe('at the cut');
    const uuids = await Promise.all(targets.map(uuidOf));
    expect(new Set(uuids).size).toBe(3);
    expect(await recordOf(first, FILESYSTEM_KEY)).toMatchObject({ state: 'formatted', uuid: uuids[1] });
    expect(await recordOf(first, FILESYSTEM_KEY)).not.toHaveProperty('copied');
    await first.leave(one);
    expect(await uuidOf(await first.bring(one))).toBe(uuids[1]);
  });

  it('larger than its source has a filesystem of that size when it is mounted', async () => {
    const { volume } = await written(ext4(), SMALL_BYTES);
    const restored = await copy(await snapshotOf(volume), ext4(), { sizeBytes: 96 * MiB });
    const target = await restored.bring(one);
    expect(await get(target)).toBe('at the cut');
    const { usage } = await one.node.NodeGetVolumeStats({ volumeId: restored.id, volumePath: target });
    expect(Number(usage.find(({ unit }) => unit === 'BYTES')?.total)).toBeGreaterThan(64 * MiB);
  });

  it('inherits the mark of a guest, whose filesystem the host does not mount', async () => {
    const { volume } = await written(ext4(), SMALL_BYTES);
    await site.rbd('image-meta', 'set', volume.image, GUEST_KEY, '{"version":1}');
    const restored = await copy(await snapshotOf(volume), ext4());
    expect(await recordOf(restored, GUEST_KEY)).toEqual({ version: 1 });
    await refused(restored.bring(one), 'FAILED_PRECONDITION', /BERTH_HOST_MOUNT_REFUSED/);
  });

  it('of a volume that was never formatted, or was formatted only later, is formatted as a new one is', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const source = await snapshotOf(volume);
    const before = await copy(source, ext4());
    await put(await volume.bring(one), 'later');
    const after = await copy(source, ext4());
    for (const each of [before, after]) await put(await each.bring(one), 'new');
  });

  it('of a raw device is as it was, and is never formatted for a pod that wants a filesystem', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(one);
    await putSector(target, 0, 'raw bytes');
    const source = await snapshotOf(volume);
    const raw = await copy(source, block());
    expect(await hasSector(await raw.bring(one), 0, 'raw bytes')).toBe(true);
    const mounted = await copy(source, ext4());
    await mounted.attach(one);
    await refused(mounted.stage(one), 'FAILED_PRECONDITION', /BERTH_FORMAT_REFUSED/);
  });

  it('of a filesystem is a raw device with that filesystem in it', async () => {
    const { volume } = await written(ext4(), SMALL_BYTES);
    const restored = await copy(await snapshotOf(volume), block());
    const target = await restored.bring(one);
    const probe = await run('blkid', ['--probe', '--match-tag', 'TYPE', '--output', 'value', target], {
      deadline: Deadline.after(30_000),
    });
    expect(probe.stdout).toBe('ext4');
  });

  it('takes features and objects of its own class', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const parameters = { imageFeatures: 'layering', objectSize: '1Mi' };
    const restored = await copy(await snapshotOf(volume), ext4(), { parameters });
    const { features, object_size } = await json<{ features: string[]; object_size: number }>('info', restored.image);
    expect(object_size).toBe(MiB);
    expect(features).toEqual(expect.arrayContaining(['layering']));
    expect(features).not.toContain('exclusive-lock');
  });
});

describe('a clone', () => {
  it('of a volume that a pod is writing is made, and leaves no snapshot of it', async () => {
    const { volume, target } = await written(ext4(), SMALL_BYTES);
    const cloned = await copy(volumeSource(volume), ext4());
    await put(target, 'after the clone');
    expect(await get(await cloned.bring(one))).toBe('at the cut');
    expect(await userSnapshots(volume)).toEqual([]);
    expect(await recordOf(cloned, VOLUME_KEY)).toMatchObject({ source: { kind: 'volume', id: volume.id } });
  });

  it('can be cloned again, and shows where it comes from in ListVolumes and ControllerGetVolume', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const first = await copy(volumeSource(volume), ext4());
    const second = await copy(volumeSource(first), ext4());
    const seen = await one.controller.ControllerGetVolume({ volumeId: second.id });
    expect(seen.volume?.contentSource).toMatchObject(volumeSource(first));
    const { entries } = await one.controller.ListVolumes({});
    const listed = entries.find(({ volume }) => volume?.volumeId === first.id);
    expect(listed?.volume?.contentSource).toMatchObject(volumeSource(volume));
  });
});

describe('CreateVolume from a source, the same again', () => {
  it('answers the same, also when its source has gone since', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const source = await snapshotOf(volume);
    const name = site.unique();
    const restored = await copy(source, ext4(), { name });
    const again = copyRequest(ext4(), source, { name });
    expect((await one.controller.CreateVolume(again)).volume?.volumeId).toBe(restored.id);
    await site.rbd('snap', 'rm', '--no-progress', snapshots[0]!);
    expect((await one.controller.CreateVolume(again)).volume).toMatchObject({ contentSource: source });
  });

  it('with another source, or none, is refused', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const [source, other] = [await snapshotOf(volume), await snapshotOf(volume)];
    const name = site.unique();
    await copy(source, ext4(), { name });
    const incompatible = /BERTH_VOLUME_INCOMPATIBLE.*content source/;
    for (const another of [other, volumeSource(volume)])
      await refused(
        one.controller.CreateVolume(copyRequest(ext4(), another, { name })),
        'ALREADY_EXISTS',
        incompatible,
      );
    await refused(one.controller.CreateVolume(site.request(ext4(), { name })), 'ALREADY_EXISTS', incompatible);
    const empty = site.unique();
    await site.create(one, ext4(), { name: empty, sizeBytes: SMALL_BYTES });
    const onEmpty = copyRequest(ext4(), source, { name: empty });
    await refused(one.controller.CreateVolume(onEmpty), 'ALREADY_EXISTS', incompatible);
  });

  it('completes a clone that lacks only its records', async () => {
    const { volume } = await written(ext4(), SMALL_BYTES);
    const source = await snapshotOf(volume);
    const name = site.unique();
    const child = `${site.pool}/${site.namespace}/berth-${name}`;
    await site.rbd('clone', '--rbd-default-clone-format', '2', snapshots[0]!, child);
    const restored = await copy(source, ext4(), { name, sizeBytes: 2 * SMALL_BYTES });
    expect(await get(await restored.bring(one))).toBe('at the cut');
  });

  it('does not take a clone of something else', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const source = await snapshotOf(volume);
    await snapshotOf(volume);
    const name = site.unique();
    const child = `${site.pool}/${site.namespace}/berth-${name}`;
    await site.rbd('clone', '--rbd-default-clone-format', '2', snapshots[1]!, child);
    const asked = one.controller.CreateVolume(copyRequest(ext4(), source, { name }));
    await refused(asked, 'ALREADY_EXISTS', /BERTH_IMAGE_FOREIGN.*it stands on snapshot/);
    await site.rbd('rm', '--no-progress', child);
  });
});

describe('CreateVolume from a source that cannot be', () => {
  it('is NOT_FOUND for what is unknown, malformed, elsewhere or half deleted', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const { snapshotId } = (await snapshotOf(volume)).snapshot!;
    const unknown = [
      { snapshot: { snapshotId: 'non-existing-snapshot-id' } },
      { snapshot: { snapshotId: snapshotId!.replace(/\d+$/, '999999') } },
      { snapshot: { snapshotId: snapshotId!.replace('dev/', 'other/') } },
      { snapshot: { snapshotId: volume.id } },
      { volume: { volumeId: 'fake-vol-id' } },
      { volume: { volumeId: `${volume.id}-not` } },
      { volume: { volumeId: volume.id.replace(site.pool, 'no-such-pool') } },
    ];
    for (const source of unknown)
      await refused(one.controller.CreateVolume(copyRequest(ext4(), source)), 'NOT_FOUND', /BERTH_SOURCE_NOT_FOUND/);
    const since = new Date().toISOString();
    const claim = { version: 1, image: volume.image, deleting: [{ client: '10.0.0.1:0/1', since }] };
    await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify(claim));
    const halfDeleted = one.controller.CreateVolume(copyRequest(ext4(), volumeSource(volume)));
    await refused(halfDeleted, 'NOT_FOUND', /BERTH_SOURCE_NOT_FOUND/);
    await site.rbd('image-meta', 'rm', volume.image, HOLDER_KEY);
  });

  it('is OUT_OF_RANGE below the size of its source, and has that size where the range allows it', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const source = await snapshotOf(volume);
    const ranged = (requiredBytes: number, limitBytes: number) => ({
      ...copyRequest(ext4(), source),
      capacityRange: { requiredBytes: String(requiredBytes), limitBytes: String(limitBytes) },
    });
    for (const [least, most] of [
      [16 * MiB, 0],
      [16 * MiB, 24 * MiB],
      [0, 24 * MiB],
    ] as const) {
      const asked = one.controller.CreateVolume(ranged(least, most));
      await refused(asked, 'OUT_OF_RANGE', /BERTH_SIZE_OUT_OF_RANGE.*never smaller/);
    }
    const { volume: fits } = await one.controller.CreateVolume(ranged(16 * MiB, 64 * MiB));
    copies.push(site.adopt(fits!.volumeId, ext4(), one));
    expect(fits?.capacityBytes).toBe(String(SMALL_BYTES));
  });

  it('is INVALID_ARGUMENT for a source on which nothing can stand', async () => {
    const volume = await site.create(one, ext4(), {
      sizeBytes: SMALL_BYTES,
      parameters: { imageFeatures: 'exclusive-lock' },
    });
    const asked = one.controller.CreateVolume(copyRequest(ext4(), volumeSource(volume)));
    await refused(asked, 'INVALID_ARGUMENT', /BERTH_SOURCE_UNFIT.*layering/);
    expect(await userSnapshots(volume)).toEqual([]);
  });
});
