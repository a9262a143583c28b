/**
 * Many callers at once: of two nodes one wins, the same request twice is done once, a different one is told what runs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { refusal, refused } from './calls.js';
import { block, bytes, ext4, MiB, RWX, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { put } from './files.js';
import { Site } from './site.js';

const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let one: Driver;
let two: Driver;

beforeAll(async () => {
  site = await Site.open('race');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const split = async (calls: readonly Promise<unknown>[]) => {
  const settled = await Promise.allSettled(calls);
  const failed = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  return {
    won: settled.length - failed.length,
    failed: await Promise.all(failed.map((error) => refusal(Promise.reject(error)))),
  };
};

const loopsOf = async (image: string) =>
  (await findLoops()).filter(({ file }) => file.endsWith(`:${image.split('/').at(-1)!}`));

describe('ControllerPublish and CreateVolume, two controllers', () => {
  it('ControllerPublish of a shared volume to two nodes: both get it, neither loses the other', async () => {
    for (let round = 0; round < 10; round += 1) {
      const volume = await site.create(one, block(RWX), small);
      await Promise.all([volume.attach(one, {}, one), volume.attach(two, {}, two)]);
      const { status } = await one.controller.ControllerGetVolume({ volumeId: volume.id });
      expect([...status!.publishedNodeIds].sort()).toEqual([one.nodeId, two.nodeId].sort());
    }
  });

  it('CreateVolume of one name: one image, one answer', async () => {
    for (let round = 0; round < 10; round += 1) {
      const request = site.request(block(), small);
      const calls = [one, two, one, two].map((driver) => driver.controller.CreateVolume(request));
      const settled = await Promise.allSettled(calls);
      const ids = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value.volume!.volumeId] : []));
      expect(ids.length, 'somebody succeeds').toBeGreaterThan(0);
      expect(new Set(ids).size).toBe(1);
      const volume = site.track(ids[0]!, block(), one);
      for (const { status } of (await split(calls)).failed) expect(status).toBe('ABORTED');
      expect((await one.controller.CreateVolume(request)).volume!.volumeId).toBe(volume.id);
      expect((await site.metadata(volume.image))['berth.dev/volume']).toContain(request.name!);
    }
    expect(await site.images()).toHaveLength(10);
  });

  it('CreateVolume of one name in two sizes: one of them is made', async () => {
    for (let round = 0; round < 5; round += 1) {
      const request = site.request(block(), small);
      const other = { ...request, capacityRange: bytes(64 * MiB) };
      const calls = [one.controller.CreateVolume(request), two.controller.CreateVolume(other)];
      const { won, failed } = await split(calls);
      const [made] = (await Promise.allSettled(calls)).flatMap((result) =>
        result.status === 'fulfilled' ? [result.value] : [],
      );
      expect(won).toBe(1);
      expect(['ALREADY_EXISTS', 'ABORTED']).toContain(failed[0]!.status);
      const { volume } = await one.controller.ControllerGetVolume({ volumeId: made!.volume!.volumeId });
      expect(volume!.capacityBytes).toBe(made!.volume!.capacityBytes);
      site.track(volume!.volumeId, block(), one);
    }
  });
});

describe('CreateVolume and DeleteVolume, one controller', () => {
  it('32 different creates at a time: all are made', async () => {
    const volumes = await Promise.all(Array.from({ length: 32 }, () => site.create(one, block(), small)));
    expect(new Set(volumes.map(({ id }) => id)).size).toBe(32);
    const { entries } = await two.controller.ListVolumes({});
    expect(entries.map((entry) => entry.volume!.volumeId).sort()).toEqual(volumes.map(({ id }) => id).sort());
    await Promise.all(volumes.map((volume) => volume.delete()));
    expect(await site.images()).toEqual([]);
  });

  it('eight equal creates, eight equal deletes: join, one answer', async () => {
    const request = site.request(block(), small);
    const answers = await Promise.all(Array.from({ length: 8 }, () => one.controller.CreateVolume(request)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    const volume = site.track(answers[0]!.volume!.volumeId, block(), one);
    expect(await site.images()).toHaveLength(1);
    await Promise.all(Array.from({ length: 8 }, () => volume.delete()));
    expect(await site.images()).toEqual([]);
  });

  it('create and delete of one volume, in any order: kept apart', async () => {
    const request = site.request(block(), small);
    let { id } = site.track((await one.controller.CreateVolume(request)).volume!.volumeId, block(), one);
    for (let round = 0; round < 10; round += 1) {
      const deleting = [one, two][round % 2]!.controller.DeleteVolume({ volumeId: id, secrets: site.secrets() });
      await sleep(round * 3);
      const { failed } = await split([deleting, one.controller.CreateVolume(request)]);
      for (const { status, text } of failed) expect(status, text).toBe('ABORTED');
      // Whoever came last, one more create always ends in one whole volume.
      id = (await one.controller.CreateVolume(request)).volume!.volumeId;
      expect(Object.keys(await site.metadata(id.split('/').slice(1).join('/'))).length).toBeGreaterThan(0);
      expect(await site.images()).toHaveLength(1);
    }
  });
});

describe('NodeStage and NodePublish, calls at the same time', () => {
  it('five equal stages: join, one device, one mount', async () => {
    const volume = await site.create(one, xfs(), { sizeBytes: XFS_BYTES });
    await volume.attach(one);
    const [staging] = await Promise.all(Array.from({ length: 5 }, () => volume.stage(one)));
    expect((await readMounts()).filter((mount) => mount.target === staging)).toHaveLength(1);
    expect(await loopsOf(volume.image)).toHaveLength(1);
    const targets = await Promise.all(Array.from({ length: 5 }, () => volume.publish(one)));
    expect((await readMounts()).filter((mount) => mount.target === targets[0])).toHaveLength(1);
    await put(targets[0]!, 'fine');
    await Promise.all(Array.from({ length: 5 }, () => volume.unpublish(one)));
    await Promise.all(Array.from({ length: 5 }, () => volume.unstage(one)));
    expect(await loopsOf(volume.image)).toEqual([]);
  });

  it('unstage while a stage runs: ABORTED, with its step and since when', async () => {
    const volume = await site.create(one, xfs(), { sizeBytes: XFS_BYTES });
    await volume.attach(one);
    const staging = volume.stage(one);
    await one.says('NodeStageVolume begins', volume.id);
    const text = await refused(volume.unstage(one), 'ABORTED');
    expect(text).toContain(volume.id);
    expect(text).toMatch(/\bstage is running since \d+ ms at step \S+/);
    await refused(volume.publish(one), ['ABORTED', 'FAILED_PRECONDITION']);
    await staging;
    await volume.unstage(one);
  });

  it.each([540, 620, 700, 850])(
    'stage with a deadline of %s ms: answered in time, done when it is repeated',
    async (ms) => {
      const volume = await site.create(one, xfs(), { sizeBytes: XFS_BYTES });
      await volume.attach(one);
      const stagingTargetPath = await one.stagingPath(volume.id);
      const asked = { volumeId: volume.id, stagingTargetPath, volumeCapability: xfs(), secrets: site.secrets() };
      const request = { ...asked, publishContext: volume.context(one) };
      const began = performance.now();
      const first = await one.node.NodeStageVolume(request, ms).catch((error: unknown) => error);
      expect(performance.now() - began).toBeLessThan(ms + 30_000);
      if (first instanceof Error) expect(first).toMatchObject({ code: 4 });
      // A repeated call joins what still runs, and may be told that it ran out of time: the next one is on its own.
      // Whatever was cut off, mkfs in the middle of its work included, may not stay broken.
      const second = await volume.stage(one).catch((error: unknown) => error);
      if (second instanceof Error) expect(second).toMatchObject({ code: 4 });
      await volume.stage(one);
      expect((await readMounts()).filter((mount) => mount.target === stagingTargetPath)).toHaveLength(1);
      await put(await volume.publish(one), 'fine');
    },
  );

  it('six volumes at a time: come and go', async () => {
    const volumes = await Promise.all(Array.from({ length: 6 }, () => site.create(one, ext4(), small)));
    const targets = await Promise.all(volumes.map((volume) => volume.bring(one)));
    await Promise.all(targets.map((target, index) => put(target, `volume ${index}`)));
    await Promise.all(volumes.map((volume) => volume.leave(one)));
    for (const volume of volumes) expect(await loopsOf(volume.image)).toEqual([]);
  });

  it('publish of a ReadWriteOncePod volume to two pods at once: one gets it', async () => {
    const volume = await site.create(one, ext4('SINGLE_NODE_SINGLE_WRITER'), small);
    await volume.attach(one);
    await volume.stage(one);
    const { won, failed } = await split([volume.publish(one, 'first'), volume.publish(one, 'second')]);
    expect(won).toBe(1);
    expect(['ABORTED', 'FAILED_PRECONDITION']).toContain(failed[0]!.status);
  });
});
