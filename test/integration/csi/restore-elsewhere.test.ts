/**
 * Copies that are not where their source is, or not as it is: another pool and StorageClass, a source that is deleted
 * or busy; and what is asked for with names, sources and tokens that nobody expects.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { preparePool } from '../../../src/dev/ceph/make-pools.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import type { VolumeContentSource } from '../../../src/csi/gen/csi/v1/VolumeContentSource.js';
import { FILESYSTEM_KEY } from '../../../src/volume/image/provenance.js';
import { admin, barePool, cluster, type IsolatedPool } from '../ceph.js';
import { refused } from './calls.js';
import { block, bytes, ext4, MiB, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Groups } from './groups.js';
import { Site, type CreateOptions } from './site.js';
import { Snapshots } from './snapshots.js';
import { Volume, type Secrets } from './volume.js';

/** The same cluster by another name in the clusters file, and another place of it. */
const TWIN = 'twin';
let site: Site;
/** A second pool for images, and one for data alone; the first one's user may use all. */
let other: IsolatedPool;
let data: IsolatedPool;
let one: Driver;
let snapshots: Snapshots;
let groups: Groups;
let secrets: Secrets;
const copies: Volume[] = [];

beforeAll(async () => {
  site = await Site.open('elsewhere');
  data = await barePool('data');
  other = await barePool('other', [site.pool, data.pool]);
  await preparePool(admin(), { name: other.pool, namespaces: [] }, Deadline.after(60_000));
  secrets = { userID: other.access.user, userKey: other.access.key.reveal() };
  await writeClusters();
  one = await site.driver('node-one').start();
  [snapshots, groups] = [new Snapshots(site), new Groups(site)];
});
afterEach(async () => {
  for (const copy of copies.splice(0).toReversed()) await copy.end();
  await groups.end();
  await snapshots.end();
  await expect.poll(images, { timeout: 60_000 }).toEqual([]);
  await site.purged();
  await site.endVolumes();
});
afterAll(async () => {
  await site.close();
  await other.remove();
  await data.remove();
});

async function writeClusters(): Promise<void> {
  const keyFile = path.join(site.directory, 'keys', 'other');
  await mkdir(path.dirname(keyFile), { recursive: true, mode: 0o700 });
  await writeFile(keyFile, other.access.key.reveal(), { mode: 0o600 });
  const user = { id: other.access.user, keyFile };
  const { monitors } = cluster();
  const mine = { name: site.pool, namespaces: [site.namespace] };
  const shared = { monitors, users: { controller: user, node: user }, registry: { pool: site.pool, namespace: '' } };
  const clusters = [
    { id: 'dev', pools: [mine, { name: other.pool }], ...shared },
    { id: TWIN, pools: [{ name: data.pool }], ...shared },
  ];
  await writeFile(site.clustersFile, stringify({ clusters }, { aliasDuplicateObjects: false }));
}

/** Names of the images in the other pool. */
const images = async (): Promise<readonly string[]> =>
  JSON.parse(await site.rbd('ls', other.pool, '--format', 'json')) as string[];
const snapshotSource = ({ snapshotId }: { readonly snapshotId: string }): VolumeContentSource => ({
  snapshot: { snapshotId },
});
const volumeSource = ({ id }: Volume): VolumeContentSource => ({ volume: { volumeId: id } });
const make = (capability: VolumeCapability = block()) => site.create(one, capability, { sizeBytes: SMALL_BYTES });

/** As a StorageClass of the other pool asks for it, or with the parameters of the first one's. */
async function copy(
  volumeContentSource: VolumeContentSource,
  capability: VolumeCapability,
  options: CreateOptions = {},
): Promise<Volume> {
  const { name = site.unique(), sizeBytes = SMALL_BYTES } = options;
  const { parameters = { clusterID: 'dev', pool: other.pool } } = options;
  const { volume } = await one.controller.CreateVolume({
    name,
    volumeCapabilities: [capability],
    capacityRange: bytes(sizeBytes),
    parameters,
    secrets,
    volumeContentSource,
  });
  const made = new Volume(volume!.volumeId, capability, one, secrets);
  copies.push(made);
  expect(volume!.contentSource).toMatchObject(volumeContentSource);
  return made;
}

interface Info {
  readonly data_pool?: string;
  readonly object_size: number;
  readonly features: readonly string[];
  readonly parent: { readonly pool: string; readonly pool_namespace: string };
}
const infoOf = async ({ image }: Volume): Promise<Info> =>
  JSON.parse(await site.rbd('info', image, '--format', 'json')) as Info;

/** A volume that a pod has written, still in use there. */
async function written(): Promise<{ volume: Volume; target: string }> {
  const volume = await make(ext4());
  const target = await volume.bring(one);
  await put(target, 'at the cut');
  return { volume, target };
}

describe('a restore into another pool', () => {
  it('by a class with a data pool, features and a size of its own, has the data of a source in use', async () => {
    const { volume, target } = await written();
    const snapshot = await snapshots.take(one, volume);
    await put(target, 'after the cut');
    const parameters = {
      ...{ clusterID: 'dev', pool: other.pool, dataPool: data.pool },
      ...{ imageFeatures: 'layering,exclusive-lock', objectSize: '1Mi' },
    };
    const restored = await copy(snapshotSource(snapshot), ext4(), { sizeBytes: 96 * MiB, parameters });
    expect(await infoOf(restored)).toMatchObject({
      data_pool: data.pool,
      object_size: MiB,
      parent: { pool: site.pool, pool_namespace: site.namespace },
    });
    const { features } = await infoOf(restored);
    expect(features).toEqual(expect.arrayContaining(['layering', 'exclusive-lock']));
    expect(features).not.toContain('object-map');
    const there = await restored.bring(one);
    expect([await get(there), await get(target)]).toEqual(['at the cut', 'after the cut']);
    const { usage } = await one.node.NodeGetVolumeStats({ volumeId: restored.id, volumePath: there });
    expect(Number(usage.find(({ unit }) => unit === 'BYTES')?.total)).toBeGreaterThan(64 * MiB);
    await put(there, 'of the copy');
    const objects = await admin().rados(['--pool', data.pool, 'ls'], Deadline.after(60_000));
    expect(objects).toContain('rbd_data.');
  });

  it('of a snapshot of a deleted volume has its data, also when that snapshot is deleted too', async () => {
    const { volume } = await written();
    const snapshot = await snapshots.take(one, volume);
    await volume.leave(one);
    await volume.delete();
    const restored = await copy(snapshotSource(snapshot), ext4());
    await snapshots.remove(snapshot.snapshotId);
    expect(await get(await restored.bring(one))).toBe('at the cut');
    // A restore of the restore, back in the first pool.
    const back = await copy(volumeSource(restored), ext4(), { parameters: site.parameters });
    expect(await get(await back.bring(one))).toBe('at the cut');
  });
});

describe('a clone into another pool', () => {
  // The device of the tests is served by QEMU's librbd, by which a guest has its image open as well.
  it('of a volume that a pod goes on writing has what was there at one moment, and leaves no snapshot', async () => {
    const { volume, target } = await written();
    const made = new AbortController();
    const writing = (async () => {
      for (let n = 0; !made.signal.aborted; n += 1) await put(target, String(n), `busy-${n % 10}`);
    })();
    const cloned = await copy(volumeSource(volume), ext4()).finally(() => made.abort());
    await writing;
    expect(await get(await cloned.bring(one))).toBe('at the cut');
    expect(JSON.parse(await site.rbd('snap', 'ls', volume.image, '--format', 'json'))).toEqual([]);
  });

  it('of an image that Berth did not make has its data, and is never formatted', async () => {
    const image = `${site.pool}/${site.namespace}/by-hand`;
    await site.rbd('create', '--size', String(SMALL_BYTES / MiB), image);
    await site.rbd('bench', '--io-type', 'write', '--io-size', '4096', '--io-total', '4096', image);
    const cloned = await copy({ volume: { volumeId: `dev/${image}` } }, ext4());
    expect(Object.keys(await site.metadata(cloned.image))).not.toContain(FILESYSTEM_KEY);
    await cloned.attach(one);
    await refused(cloned.stage(one), 'FAILED_PRECONDITION', /BERTH_FORMAT_REFUSED/);
    await cloned.end();
    copies.splice(0);
    await expect.poll(images, { timeout: 60_000 }).toEqual([]);
    await site.rbd('rm', '--no-progress', image);
  });
});

describe('names that nobody expects', () => {
  const NAMES = ['n'.repeat(128), 'ж'.repeat(64), '../with space/and slash@', '\u{1F6A2}\u0301'];

  it('copies: an id of 128 bytes at most, and the same one for the same name', async () => {
    const volume = await make();
    const snapshot = await snapshots.take(one, volume);
    const made = await Promise.all(
      NAMES.map(async (name) => {
        const restored = await copy(snapshotSource(snapshot), block(), { name });
        const again = await copy(snapshotSource(snapshot), block(), { name });
        copies.splice(copies.indexOf(again), 1);
        expect([again.id, Buffer.byteLength(restored.id) <= 128], name).toEqual([restored.id, true]);
        return restored.id;
      }),
    );
    const parameters = site.parameters;
    const odd = NAMES.slice(0, 2);
    const clones = await Promise.all(odd.map((name) => copy(volumeSource(volume), block(), { name, parameters })));
    expect(new Set([...made, ...clones.map(({ id }) => id)]).size).toBe(NAMES.length + odd.length);
  });

  it('groups: an id of 128 bytes at most, and the same one for the same name', async () => {
    const volume = await make();
    for (const name of NAMES.slice(1, 3)) {
      const { groupSnapshotId } = await groups.take(one, [volume], name);
      expect(Buffer.byteLength(groupSnapshotId)).toBeLessThanOrEqual(128);
      expect((await groups.take(one, [volume], name)).groupSnapshotId).toBe(groupSnapshotId);
    }
  });
});

describe('what is not a source', () => {
  const notFound = (source: VolumeContentSource) =>
    refused(copy(source, block()), 'NOT_FOUND', /BERTH_SOURCE_NOT_FOUND/);

  it('a snapshot of somebody else, one that only its clones keep, and a deleted volume are NOT_FOUND', async () => {
    const volume = await make();
    const snapshot = await snapshots.take(one, volume);
    await site.rbd('snap', 'create', '--no-progress', `${volume.image}@by-hand`);
    const byHand = snapshot.snapshotId.replace(/\d+$/, String(await snapshots.idOf(volume.image, 'by-hand')));
    await notFound({ snapshot: { snapshotId: byHand } });
    await site.rbd('snap', 'rm', '--no-progress', `${volume.image}@by-hand`);
    await copy(snapshotSource(snapshot), block());
    await snapshots.remove(snapshot.snapshotId);
    await notFound(snapshotSource(snapshot));
    await volume.delete();
    await notFound(volumeSource(volume));
  });

  it('what is of another cluster is INVALID_ARGUMENT, and says where it is', async () => {
    for (const source of [
      { volume: { volumeId: `${TWIN}/${data.pool}/berth-v` } },
      { snapshot: { snapshotId: `${TWIN}/${data.pool}/1f@1` } },
    ])
      await refused(copy(source, block()), 'INVALID_ARGUMENT', /BERTH_SOURCE_UNFIT.*in cluster twin/);
    expect(await images()).toEqual([]);
  });
});

it('a token of the other list, and of a place that is not listed, is ABORTED', async () => {
  const volumes = [await make(), await make()];
  for (const volume of volumes) await snapshots.take(one, volume);
  const { controller } = one;
  const { nextToken: ofVolumes } = await controller.ListVolumes({ maxEntries: 1 });
  const { nextToken: ofSnapshots } = await controller.ListSnapshots({ maxEntries: 1 });
  expect([ofVolumes, ofSnapshots]).not.toContain('');
  for (const token of [ofSnapshots, `zzzz${ofVolumes.slice(4)}`])
    await refused(controller.ListVolumes({ startingToken: token }), 'ABORTED', /BERTH_TOKEN_INVALID/);
  for (const token of [ofVolumes, `zzzz${ofSnapshots.slice(4)}`])
    await refused(controller.ListSnapshots({ startingToken: token }), 'ABORTED', /BERTH_TOKEN_INVALID/);
});
