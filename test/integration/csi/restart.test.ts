/**
 * The driver process ends, politely or not, at every stage of a volume's life: pods notice nothing and the next process
 * goes on.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountAt, readMounts } from '../../../src/host/mount/mountinfo.js';
import { refused } from './calls.js';
import { block, ext4, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, hasSector, keepWriting, put, putSector } from './files.js';
import { Site } from './site.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('again');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const mountsAt = async (target: string) => (await readMounts()).filter((mount) => mount.target === target).length;

describe.each(['SIGTERM', 'SIGKILL'] as const)('%s', (signal) => {
  const restart = async (): Promise<void> => {
    expect(await driver.stop(signal)).toBe(signal === 'SIGTERM' ? 'exit code 0' : 'SIGKILL');
    await driver.start();
  };

  it('between any two steps of a volume’s life loses nothing', async () => {
    const volume = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    await restart();
    await volume.attach(driver);
    await restart();
    const staging = await volume.stage(driver);
    const staged = await mountAt(staging);
    await restart();
    expect(await mountAt(staging)).toEqual(staged);
    await volume.stage(driver);
    expect(await mountsAt(staging)).toBe(1);
    const target = await volume.publish(driver);
    const stop = keepWriting(target);
    await restart();
    await volume.publish(driver);
    expect(await mountsAt(target)).toBe(1);
    expect(await stop()).toBeGreaterThan(10);
    await put(target, 'kept');
    await volume.unpublish(driver);
    await restart();
    await volume.unstage(driver);
    await restart();
    await volume.detach(driver);
    expect(await get(await volume.bring(driver))).toBe('kept');
  });

  it('leaves a raw block device to its pod', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    const device = await volume.bring(driver);
    await putSector(device, 0, 'before');
    await driver.stop(signal);
    await putSector(device, 4096, 'meanwhile');
    await driver.start();
    expect(await hasSector(device, 0, 'before')).toBe(true);
    expect(await hasSector(device, 4096, 'meanwhile')).toBe(true);
    await refused(volume.unstage(driver), 'FAILED_PRECONDITION');
  });
});

describe('NodeStage, driver killed half way', () => {
  it.each([20, 120, 250, 400])(
    '%s ms after it began: the next stage finishes it, one mount, one device',
    async (ms) => {
      const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
      await volume.attach(driver);
      const cut = volume.stage(driver).catch((error: unknown) => error);
      await sleep(ms);
      await driver.stop('SIGKILL');
      await cut;
      await driver.start();
      const staging = await volume.stage(driver);
      expect(await mountsAt(staging)).toBe(1);
      const target = await volume.publish(driver);
      await put(target, 'fine');
      expect(await mountsAt(target)).toBe(1);
    },
  );

  it('NodeUnstage next: undoes it', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    const cut = volume.stage(driver).catch((error: unknown) => error);
    await sleep(200);
    await driver.stop('SIGKILL');
    await cut;
    await driver.start();
    await volume.unstage(driver);
    expect(await mountsAt(await driver.stagingPath(volume.id))).toBe(0);
    await volume.detach(driver);
  });
});

describe('SIGTERM while a NodeStage runs', () => {
  it('the call is answered, then the driver ends', async () => {
    const volume = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    await volume.attach(driver);
    const staged = volume.stage(driver);
    await driver.says('NodeStageVolume begins', volume.id);
    const ended = driver.stop();
    await staged;
    expect(await ended).toBe('exit code 0');
    await driver.start();
    await volume.publish(driver);
  });
});

describe('NodeUnpublish and NodeUnstage, journal lost', () => {
  it('the volume leaves all the same', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(driver);
    await driver.stop('SIGKILL');
    await rm(`${driver.stateDir}/journal`, { recursive: true });
    await driver.start();
    await volume.unpublish(driver);
    expect(await mountsAt(target)).toBe(0);
    await volume.unstage(driver);
    await volume.detach(driver);
  });
});
