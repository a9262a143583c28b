/**
 * A delete claims its volume before it removes anything: attach, stage and delete exclude each other by the record,
 * whatever comes between, also for a reader whom Ceph does not show.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { berthError } from '../../../src/model/errors.js';
import { deleteVolume } from '../../../src/volume/controller/delete/delete-volume.js';
import { DELETED_KEY } from '../../../src/volume/controller/delete/deleted-record.js';
import type { ControllerParts } from '../../../src/wiring/controller-parts.js';
import { accessAs } from '../ceph.js';
import { watch } from '../rbd/librbd.js';
import { FencingController, soon } from '../fencing/fencing-controller.js';
import { refused } from './calls.js';
import { ext4, ROX, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const ROUNDS = 10;
const small = { sizeBytes: SMALL_BYTES };
const DELETING = /BERTH_VOLUME_DELETING: .*is being deleted since/;

let site: Site;
let one: Driver;
let two: Driver;
let controller: FencingController;

beforeAll(async () => {
  site = await Site.open('claim');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
  controller = new FencingController(site);
});
afterEach(() => site.endVolumes());
afterAll(async () => {
  await controller.close();
  await site.close();
});

const remove = (volume: Volume, parts: ControllerParts): Promise<void> =>
  deleteVolume(parts, volume.id, undefined, soon());

/** Nobody gets the volume, writer or reader, and each is told why. */
async function isShut(volume: Volume): Promise<void> {
  await refused(volume.attach(two), 'ABORTED', DELETING);
  await refused(volume.attach(two, { volumeCapability: ext4(ROX), readonly: true }), 'ABORTED', DELETING);
  await refused(volume.stage(two), 'ABORTED', DELETING);
  await refused(volume.stage(two, { volumeCapability: ext4(ROX) }), 'ABORTED', DELETING);
  await refused(volume.expand(2 * SMALL_BYTES), 'ABORTED', DELETING);
}

it('DeleteVolume, readers and writers come while it moves the image aside: each is refused', async () => {
  const volume = await site.create(one, ext4(), small);
  const { rbd } = controller;
  let isAsked = false;
  const slow = controller.seeing({
    rename: async (at, id, to, deadline) => {
      await isShut(volume);
      isAsked = true;
      return rbd.rename(at, id, to, deadline);
    },
  });
  await remove(volume, slow);
  expect(isAsked).toBe(true);
  expect(await site.images()).toEqual([]);
});

it('DeleteVolume, its controller ends before it moves: nobody is let in, another controller goes on', async () => {
  const volume = await site.create(one, ext4(), small);
  const dying = controller.seeing({
    rename: () => Promise.reject(berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: 'rename' })),
  });
  await expect(remove(volume, dying)).rejects.toMatchObject({ code: 'BERTH_WORKER_DIED' });
  await isShut(volume);
  const name = volume.image.split('/').at(-1)!.replace('berth-', '');
  await refused(one.controller.CreateVolume(site.request(ext4(), { ...small, name })), 'ABORTED', DELETING);
  const { status } = await one.controller.ControllerGetVolume({ volumeId: volume.id });
  expect(status!.volumeCondition).toMatchObject({ abnormal: true });
  expect(status!.volumeCondition!.message).toMatch(/being deleted/);
  // Nobody holds it, so there is nobody to take it from.
  await volume.detach(two);
  await volume.delete();
  expect(await site.images()).toEqual([]);
});

it('DeleteVolume, a client has it open: refused by address, the claim is given back and all is as it was', async () => {
  const volume = await site.create(one, ext4(), small);
  await put(await volume.bring(one), 'still there');
  await volume.leave(one);
  const [pool, namespace, image] = volume.image.split('/') as [string, string, string];
  const watcher = await watch({ access: accessAs('controller'), pool, namespace, image });
  try {
    await refused(volume.delete(), 'FAILED_PRECONDITION', new RegExp(`BERTH_VOLUME_IN_USE: .*${watcher.address}`));
  } finally {
    await watcher.stop();
  }
  const metadata = await site.metadata(volume.image);
  expect([metadata[HOLDER_KEY], metadata[DELETED_KEY]]).toEqual([undefined, undefined]);
  expect(await get(await volume.bring(two))).toBe('still there');
  await volume.leave(two);
});

it('DeleteVolume, its image is in a group: refused with the command that takes it out', async () => {
  const volume = await site.create(one, ext4(), small);
  const group = `${site.pool}/${site.namespace}/grp`;
  await site.rbd('group', 'create', group);
  await site.rbd('group', 'image', 'add', group, volume.image);
  await refused(volume.delete(), 'FAILED_PRECONDITION', /BERTH_IMAGE_IN_GROUP.*rbd group image rm/);
  expect((await site.metadata(volume.image))[HOLDER_KEY]).toBeUndefined();
  await site.rbd('group', 'rm', group);
});

it('DeleteVolume, a node holds the volume by a record of the release before: refused', async () => {
  const volume = await site.create(one, ext4(), small);
  const holders = [{ node: two.nodeId, since: '2026-01-01T00:00:00.000Z', by: 'controller' }];
  const before = { version: 1, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, holders };
  await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify(before));
  await refused(volume.delete(), 'FAILED_PRECONDITION', /BERTH_VOLUME_IN_USE/);
  await site.rbd('image-meta', 'remove', volume.image, HOLDER_KEY);
});

it(`DeleteVolume and a reader's attach at the same time: exactly one wins, ${ROUNDS} times`, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const volume = await site.create(one, ext4(ROX), small);
    const reader = { volumeCapability: ext4(ROX), readonly: true };
    const calls = [() => volume.delete(), () => volume.attach(two, reader, two)];
    const [deleted, attached] = await Promise.all(
      (round % 2 === 0 ? calls : calls.toReversed()).map((call) =>
        call().then(
          () => true,
          () => false,
        ),
      ),
    ).then((won) => (round % 2 === 0 ? won : won.toReversed()));
    expect([deleted, attached].filter(Boolean), `round ${round}`).toHaveLength(1);
    expect((await site.images()).length, `round ${round}`).toBe(attached === true ? 1 : 0);
    await site.endVolumes();
  }
});
