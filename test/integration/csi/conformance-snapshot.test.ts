/** CSI 1.12, the calls about snapshots: what every orchestrator may rely on, asked of a real driver and cluster. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { accessAs } from '../ceph.js';
import { startLibrbd } from '../rbd/librbd.js';
import { refused } from './calls.js';
import { block, ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { put } from './files.js';
import { Site } from './site.js';
import { Snapshots } from './snapshots.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
let snapshots: Snapshots;

beforeAll(async () => {
  site = await Site.open('snap');
  driver = await site.driver('node-one').start();
  snapshots = new Snapshots(site);
});
afterEach(async () => {
  await snapshots.end();
  await site.endVolumes();
});
afterAll(() => site.close());

const make = (): Promise<Volume> => site.create(driver, block(), { sizeBytes: SMALL_BYTES });
const ids = (found: readonly { readonly snapshotId: string }[]): string[] => found.map((one) => one.snapshotId).sort();

describe('CreateSnapshot', () => {
  it('wants a name and a source, and knows no source that is not there', async () => {
    const { controller } = driver;
    const secrets = site.secrets();
    const volume = await make();
    await refused(controller.CreateSnapshot({ sourceVolumeId: volume.id, secrets }), 'INVALID_ARGUMENT', /name/);
    await refused(controller.CreateSnapshot({ name: 'x', secrets }), 'INVALID_ARGUMENT', /source_volume_id/);
    const gone = volume.id.replace(/[^/]+$/, 'berth-gone');
    for (const sourceVolumeId of ['x', 'ж/ж/ж', gone, `none/${gone}`, volume.id.replace('dev/', 'other/')]) {
      await refused(controller.CreateSnapshot({ name: 'x', sourceVolumeId, secrets }), 'NOT_FOUND');
    }
    const parameters = { tpyo: 'yes' };
    const request = { name: 'x', sourceVolumeId: volume.id, secrets };
    await refused(controller.CreateSnapshot({ ...request, parameters }), 'INVALID_ARGUMENT', /tpyo/);
    expect(await snapshots.of(volume.image)).toEqual([]);
  });

  it('answers id, source, size and time, ready at once, and the same when repeated', async () => {
    const volume = await make();
    const name = site.unique('snap');
    const began = Date.now();
    const first = await snapshots.take(driver, volume, name);
    expect(first).toMatchObject({ sourceVolumeId: volume.id, sizeBytes: String(SMALL_BYTES), readyToUse: true });
    expect(Math.abs(Number(first.creationTime!.seconds) * 1000 - began)).toBeLessThan(60_000);
    for (let times = 0; times < 3; times += 1) expect(await snapshots.take(driver, volume, name)).toEqual(first);
    expect(await snapshots.of(volume.image)).toEqual([`berth-snap-${name}`]);
    expect((await driver.controller.GetSnapshot({ snapshotId: first.snapshotId })).snapshot).toEqual(first);
  });

  it('refuses the same name with another source', async () => {
    const [one, two] = [await make(), await make()];
    const name = site.unique('snap');
    await snapshots.take(driver, one, name);
    await refused(snapshots.take(driver, two, name), 'ALREADY_EXISTS', /BERTH_SNAPSHOT_EXISTS/);
    expect(await snapshots.of(two.image)).toEqual([]);
  });

  it.each(['n'.repeat(128), 'ж'.repeat(64), 'with space/and slash', '\u{1F6A2}'])(
    'the name %s: an id that fits 128 bytes',
    async (name) => {
      const volume = await make();
      const { snapshotId } = await snapshots.take(driver, volume, name);
      expect(Buffer.byteLength(snapshotId)).toBeLessThanOrEqual(128);
      expect((await snapshots.take(driver, volume, name)).snapshotId).toBe(snapshotId);
    },
  );

  it('takes one of a volume that was never formatted, and one of a volume that a pod writes to', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await snapshots.take(driver, volume);
    const target = await volume.bring(driver);
    await put(target, 'before');
    const { snapshotId } = await snapshots.take(driver, volume);
    await put(target, 'after');
    expect(ids(await snapshots.list(driver, { sourceVolumeId: volume.id }))).toContain(snapshotId);
    await volume.leave(driver);
  });
});

describe('DeleteSnapshot', () => {
  it('wants an id, and takes every snapshot that is not there for deleted', async () => {
    const { controller } = driver;
    const secrets = site.secrets();
    await refused(controller.DeleteSnapshot({ secrets }), 'INVALID_ARGUMENT', /snapshot_id/);
    const volume = await make();
    const name = site.unique('snap');
    const { snapshotId } = await snapshots.take(driver, volume, name);
    const place = `dev/${site.pool}/${site.namespace}`;
    for (const id of ['x', '@', 'ж@1', `${place}/abc@1`, `${snapshotId}7`, 'non-existing-snapshot-id'])
      await controller.DeleteSnapshot({ snapshotId: id, secrets });
    for (let times = 0; times < 3; times += 1) await controller.DeleteSnapshot({ snapshotId, secrets });
    expect(await snapshots.of(volume.image)).toEqual([]);
    expect(await snapshots.records(`berth-snap-${name}`)).toEqual([]);
  });

  it('leaves a snapshot alone that somebody else made, and does not show it', async () => {
    const volume = await make();
    await site.rbd('snap', 'create', '--no-progress', `${volume.image}@by-hand`);
    const { snapshotId } = await snapshots.take(driver, volume);
    const foreign = snapshotId.replace(/\d+$/, (id) => String(Number(id) - 1));
    await driver.controller.DeleteSnapshot({ snapshotId: foreign, secrets: site.secrets() });
    expect(await snapshots.of(volume.image)).toHaveLength(2);
    expect(ids(await snapshots.list(driver))).toEqual([snapshotId]);
    await refused(driver.controller.GetSnapshot({ snapshotId: foreign }), 'NOT_FOUND');
    await site.rbd('snap', 'rm', '--no-progress', `${volume.image}@by-hand`);
  });

  it('was cut short within librbd, which had moved it to the trash: the next one removes it', async () => {
    const volume = await make();
    const [name, other] = [site.unique('snap'), site.unique('snap')];
    const { snapshotId } = await snapshots.take(driver, volume, name);
    await site.rbd('snap', 'create', '--no-progress', `${volume.image}@by-hand`);
    const rbd = startLibrbd();
    const [pool = '', namespace = ''] = volume.image.split('/');
    const [, imageId = '', id = '', foreign = ''] =
      /([^/]+)@(\d+) (\d+)$/.exec(`${snapshotId} ${await snapshots.idOf(volume.image, 'by-hand')}`) ?? [];
    const at = { access: accessAs('controller'), pool, namespace };
    for (const one of [id, foreign]) await rbd.trashSnapshot(at, imageId, BigInt(one), Deadline.after(60_000));
    await rbd.close();
    await refused(driver.controller.GetSnapshot({ snapshotId }), 'NOT_FOUND');
    expect(await snapshots.list(driver)).toEqual([]);
    const again = await snapshots.take(driver, volume, other);
    for (let times = 0; times < 2; times += 1) await snapshots.remove(snapshotId, driver);
    const byHand = snapshotId.replace(/\d+$/, foreign);
    await snapshots.remove(byHand, driver);
    // What somebody else made stays, in the trash as well.
    expect(await snapshots.of(volume.image)).toHaveLength(2);
    expect(ids(await snapshots.list(driver))).toEqual([again.snapshotId]);
    expect(await snapshots.records(`berth-snap-${name}`)).toEqual([]);
  });

  it('has a clone: succeeds, and the snapshot is gone for everybody but the clone', async () => {
    const volume = await make();
    const name = site.unique('snap');
    const { snapshotId } = await snapshots.take(driver, volume, name);
    const clone = `${volume.image}-clone`;
    const parent = `${volume.image}@berth-snap-${name}`;
    await site.rbd('clone', '--rbd-default-clone-format', '2', parent, clone);
    try {
      for (let times = 0; times < 2; times += 1) await snapshots.remove(snapshotId, driver);
      expect(await snapshots.list(driver)).toEqual([]);
      expect(await snapshots.of(volume.image)).toHaveLength(1);
      const again = await snapshots.take(driver, volume, name);
      expect(again.snapshotId).not.toBe(snapshotId);
    } finally {
      await site.rbd('rm', '--no-progress', clone);
    }
  });
});

describe('ListSnapshots', () => {
  it('knows every snapshot, by id and by source, and nothing of what is not there', async () => {
    const volumes = [await make(), await make()];
    const taken: string[] = [];
    for (const volume of [volumes[0]!, volumes[1]!, volumes[0]!]) {
      taken.push((await snapshots.take(driver, volume)).snapshotId);
    }
    expect(ids(await snapshots.list(driver))).toEqual([...taken].sort());
    for (const snapshotId of taken) expect(ids(await snapshots.list(driver, { snapshotId }))).toEqual([snapshotId]);
    const bySource = await snapshots.list(driver, { sourceVolumeId: volumes[1]!.id });
    expect(ids(bySource)).toEqual([taken[1]]);
    for (const id of ['none-existing-id', `dev/${site.pool}/${site.namespace}/abc@1`, volumes[0]!.id]) {
      expect(await snapshots.list(driver, { snapshotId: id })).toEqual([]);
      if (id !== volumes[0]!.id) expect(await snapshots.list(driver, { sourceVolumeId: id })).toEqual([]);
    }
  });

  it('two at a time: the rest behind the token, no page too many, and ABORTED for a token from elsewhere', async () => {
    const volume = await make();
    const taken: string[] = [];
    for (let n = 0; n < 4; n += 1) taken.push((await snapshots.take(driver, volume)).snapshotId);
    const first = await driver.controller.ListSnapshots({ maxEntries: 2 });
    const second = await driver.controller.ListSnapshots({ maxEntries: 2, startingToken: first.nextToken });
    expect([first.entries.length, second.entries.length, second.nextToken]).toEqual([2, 2, '']);
    const found = [...first.entries, ...second.entries].map(({ snapshot }) => snapshot!);
    expect(ids(found)).toEqual([...taken].sort());
    for (const startingToken of ['invalid-token', volume.id, taken[0]!]) {
      await refused(driver.controller.ListSnapshots({ startingToken }), 'ABORTED', /starting_token/);
    }
    await refused(driver.controller.ListSnapshots({ maxEntries: -1 }), 'INVALID_ARGUMENT');
  });
});

describe('DeleteVolume, a volume with snapshots', () => {
  it('succeeds at once; they stay listed and readable, and the image goes with the last of them', async () => {
    const volume = await make();
    const taken = [await snapshots.take(driver, volume), await snapshots.take(driver, volume)];
    await volume.delete();
    expect(await site.images()).toHaveLength(0);
    for (const request of [{}, { sourceVolumeId: volume.id }])
      expect(ids(await snapshots.list(driver, request))).toEqual(ids(taken));
    for (const one of taken) expect(await snapshots.list(driver, { snapshotId: one.snapshotId })).toEqual([one]);
    await refused(snapshots.take(driver, volume.id), 'NOT_FOUND');
    for (const { snapshotId } of taken) await snapshots.remove(snapshotId);
    expect(await snapshots.list(driver)).toEqual([]);
    await site.purged();
  });
});

describe('GetSnapshot', () => {
  it('wants an id, and knows no snapshot that is not there', async () => {
    const { controller } = driver;
    await refused(controller.GetSnapshot({}), 'INVALID_ARGUMENT', /snapshot_id/);
    const place = `dev/${site.pool}/${site.namespace}`;
    for (const snapshotId of ['x', `${place}/abc@1`, `other/${site.pool}/abc@1`])
      await refused(controller.GetSnapshot({ snapshotId }), 'NOT_FOUND', /BERTH_SNAPSHOT_NOT_FOUND/);
  });
});
