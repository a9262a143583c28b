/**
 * A node that was fenced comes back: what it lost is cut off, unmounted and unmapped, and not one byte of it reaches
 * the image.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { block, ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, hasSector, put, putSector } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { servingProcess } from '../node/storage-daemon.js';
import { FencingController, outOfService } from './fencing-controller.js';

const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let one: Driver;
let two: Driver;
let controller: FencingController;

beforeAll(async () => {
  site = await Site.open('back');
  const node = (name: string) => site.driver(name, { arguments: ['--reconcile-interval', '1'] }).start();
  [one, two] = await Promise.all([node('node-one'), node('node-two')]);
  controller = new FencingController(site);
});
beforeEach(() => controller.views.clear());
afterEach(async () => {
  await controller.liftAll();
  await site.endVolumes();
});
afterAll(async () => {
  await controller.close();
  await site.close();
});

const devices = async (volume: Volume): Promise<readonly string[]> => {
  const name = volume.id.split('/').at(-1)!;
  const all = (await findLoops()).filter(({ file }) => file.includes('node-one') && file.includes(`:${name}`));
  return all.map(({ device }) => device);
};

async function watchers(volume: Volume): Promise<readonly unknown[]> {
  const text = await site.rbd('status', volume.image, '--format', 'json');
  return (JSON.parse(text) as { watchers: unknown[] }).watchers;
}

async function eventually(what: () => Promise<boolean>, name: string): Promise<void> {
  for (const last = performance.now() + 100_000; !(await what()); ) {
    await sleep(100);
    if (performance.now() > last) throw new Error(`never: ${name}; ${(await one.log()).slice(-3_000)}`);
  }
}

it('a fenced node comes back: takes down its filesystem, whose unwritten bytes never come', async () => {
  const volume = await site.create(two, ext4(), small);
  const target = await volume.bring(one);
  await put(target, 'before');
  await one.stop('SIGKILL');
  const late = await open(path.join(target, 'late'), 'w');
  await late.write('never to be seen');
  await late.close();
  controller.views.set(one.nodeId, await outOfService());
  await controller.detach(volume, one.nodeId);
  const there = await volume.bring(two);
  expect(await get(there)).toBe('before');
  await put(there, 'from two', 'two');
  await one.start();
  await eventually(async () => (await devices(volume)).length === 0, 'unmapped');
  await eventually(async () => (await mountAt(target)) === undefined, 'unmounted');
  expect(await one.log()).toMatch(/this node lost the volume/);
  await volume.leave(two);
  const again = await volume.bring(two);
  expect(await get(again, 'two')).toBe('from two');
  await expect(get(again, 'late')).rejects.toThrow(/ENOENT/);
});

it('a fenced node comes back: its client stays out for ever, NodeStage works anew by another', async () => {
  const volume = await site.create(one, block(), small);
  await volume.bring(one);
  const instance = await controller.clientOf(volume, one.nodeId);
  controller.views.set(one.nodeId, await outOfService());
  await controller.detach(volume, one.nodeId);
  const until = await controller.until(instance);
  await eventually(async () => (await devices(volume)).length === 0, 'unmapped');
  await one.stop();
  await one.start();
  await controller.keeper.round();
  expect((await controller.fences())[0]?.done).toBeDefined();
  expect(await controller.until(instance)).toBe(until);
  await putSector(await volume.bring(one), 0, 'anew');
  expect(await controller.clientOf(volume, one.nodeId)).not.toBe(instance);
});

it('a replaced machine with the old name does not free the old one: what it thaws with is not written', async () => {
  // Without an exclusive lock nothing but the fence stops a client that was forgotten.
  const volume = await site.create(two, block(), { ...small, parameters: { imageFeatures: 'layering' } });
  const device = await volume.bring(one);
  await putSector(device, 0, 'before');
  const instance = await controller.clientOf(volume, one.nodeId);
  await one.stop('SIGKILL');
  const frozen = (await servingProcess(one))!;
  process.kill(frozen, 'SIGSTOP');
  let late: Promise<string>;
  let there: string;
  try {
    late = putSector(device, 0, 'from the dead').then(
      () => 'written',
      () => 'refused',
    );
    await eventually(async () => (await watchers(volume)).length === 0, 'forgotten by Ceph');
    await controller.registerBoot(one.nodeId, 'of another machine');
    await controller.detach(volume, one.nodeId);
    there = await volume.bring(two);
    await putSector(there, 0, 'from two');
    await controller.registerBoot(one.nodeId, 'of another machine');
    await controller.keeper.round();
    expect(await controller.until(instance)).toBeDefined();
  } finally {
    process.kill(frozen, 'SIGCONT');
  }
  expect(await late).toBe('refused');
  expect(await hasSector(there, 0, 'from two')).toBe(true);
  await one.start();
  await eventually(async () => (await devices(volume)).length === 0, 'unmapped');
});

it('NodeStage, fenced meanwhile: stages anew, does not answer that it has it', async () => {
  const volume = await site.create(one, block(), small);
  await volume.bring(one);
  const instance = await controller.clientOf(volume, one.nodeId);
  controller.views.set(one.nodeId, await outOfService());
  await controller.detach(volume, one.nodeId);
  await volume.bring(one);
  expect(await controller.clientOf(volume, one.nodeId)).not.toBe(instance);
  await putSector(await volume.publish(one), 0, 'anew');
});

it('another node is fenced: this one keeps what it has', async () => {
  const [volume, other] = [await site.create(one, ext4(), small), await site.create(one, block(), small)];
  const target = await volume.bring(one);
  await other.bring(one);
  controller.views.set(one.nodeId, await outOfService());
  await controller.detach(other, one.nodeId);
  await eventually(async () => (await devices(other)).length === 0, 'unmapped');
  await put(target, 'still mine');
  expect(await get(target)).toBe('still mine');
});

it('NodeUnpublish and NodeUnstage, fenced, files still open: the volume leaves', async () => {
  const volume = await site.create(two, ext4(), small);
  const target = await volume.bring(one);
  const busy = await open(path.join(target, 'busy'), 'w');
  try {
    controller.views.set(one.nodeId, await outOfService());
    await controller.detach(volume, one.nodeId);
    await eventually(async () => (await devices(volume)).length === 0, 'cut off');
    // Its device is gone, and it is still there: nobody else may take it away while it is used.
    expect(await mountAt(target)).toBeDefined();
    const held = await volume.unpublish(one).catch((error: unknown) => error as Error);
    expect(String(held)).toMatch(/BERTH_UNMOUNT_BUSY/);
    expect(String(await volume.unstage(one).catch((error: unknown) => error))).toMatch(/BERTH_VOLUME_IN_USE/);
  } finally {
    await busy.close().catch(() => undefined);
  }
  await volume.unpublish(one);
  await volume.unstage(one);
  expect(await mountAt(target)).toBeUndefined();
  expect(await mountAt(await one.stagingPath(volume.id))).toBeUndefined();
  await volume.bring(one);
});
