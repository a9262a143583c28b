/**
 * A filesystem that the kernel gave up is not staged: the next stage, or the next publish where no pod has it, checks
 * it and mounts it anew, and beside a living pod both say why not.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refused } from './calls.js';
import { ext4, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
beforeAll(async () => {
  site = await Site.open('stopped');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const soon = () => Deadline.after(60_000);
const command = (program: string, ...args: string[]) => run(program, args, { deadline: soon() });

/** As a write error does it: nothing is written any more, not even what the filesystem has in memory. */
async function shutDown(volume: Volume): Promise<void> {
  await command('xfs_io', '-x', '-c', 'shutdown', await driver.stagingPath(volume.id));
}

/** ext4 finds an error in its metadata; by its mount option it stops then, or goes on and counts. */
async function findsError(volume: Volume): Promise<void> {
  const device = path.basename((await mountAt(await driver.stagingPath(volume.id)))!.source);
  await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, 'a test');
}

async function makeReadOnly(volume: Volume): Promise<void> {
  await command('mount', '-o', 'remount,ro', await driver.stagingPath(volume.id));
}

const STOPPING = ['errors=remount-ro'];
type Stop = (volume: Volume) => Promise<void>;
const kinds: readonly [string, VolumeCapability, number, Stop][] = [
  ['an ext4 that found an error and stopped', ext4(undefined, STOPPING), SMALL_BYTES, findsError],
  ['an ext4 that counts an error and goes on', ext4(), SMALL_BYTES, findsError],
  ['an ext4 that shut down', ext4(), SMALL_BYTES, shutDown],
  ['an ext4 that became read-only', ext4(), SMALL_BYTES, makeReadOnly],
  ['an xfs that shut down', xfs(), XFS_BYTES, shutDown],
];

/** Staged, with one file, and no pod. */
async function staged(capability: VolumeCapability, sizeBytes: number): Promise<Volume> {
  const volume = await site.create(driver, capability, { sizeBytes });
  await put(await volume.bring(driver), 'written before');
  await volume.unpublish(driver);
  return volume;
}

async function isWell(volume: Volume): Promise<void> {
  const target = await volume.publish(driver);
  expect(await get(target)).toBe('written before');
  await put(target, 'and after', 'second');
  expect(await get(target, 'second')).toBe('and after');
  const { volumeCondition } = await driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: target });
  expect(volumeCondition).toMatchObject({ abnormal: false });
}

describe('no pod has', () => {
  it.each(kinds)('%s: the next publish checks it and mounts it anew', async (_, capability, sizeBytes, stop) => {
    const volume = await staged(capability, sizeBytes);
    await stop(volume);
    await isWell(volume);
  });

  it.each(kinds)('%s: the next stage checks it and mounts it anew', async (_, capability, sizeBytes, stop) => {
    const volume = await staged(capability, sizeBytes);
    await stop(volume);
    await volume.stage(driver);
    const { fsType, options, superOptions } = (await mountAt(await driver.stagingPath(volume.id)))!;
    expect([fsType, ...options]).toEqual(expect.arrayContaining([capability.mount!.fsType!, 'rw']));
    expect(superOptions).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(ro|shutdown|emergency_ro)$/)]));
    await isWell(volume);
  });

  it('an ext4 that stopped, its journal entry lost: the next stage checks it and mounts it anew', async () => {
    const volume = await staged(ext4(), SMALL_BYTES);
    await shutDown(volume);
    await driver.stop('SIGKILL');
    await command('find', path.join(driver.stateDir, 'journal'), '-name', '*.json', '-delete');
    await driver.start();
    await volume.stage(driver);
    await isWell(volume);
  });
});

describe('a pod has', () => {
  it.each(kinds.filter(([title]) => !title.includes('goes on')))(
    '%s: condition, stage and publish say so, and change nothing until it has gone',
    async (_, capability, sizeBytes, stop) => {
      const volume = await staged(capability, sizeBytes);
      const target = await volume.publish(driver);
      await stop(volume);
      const { volumeCondition } = await driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: target });
      expect(volumeCondition).toMatchObject({
        abnormal: true,
        message: expect.stringMatching(
          /(stopped writing|made read-only|shut down).*delete the pods that have the volume/,
        ) as string,
      });
      const words =
        /BERTH_FILESYSTEM_STOPPED.* takes no more.*pods\/pod\/.* still has it: .*(stopped writing|read-only|shut down)/;
      await refused(volume.publish(driver, 'second-pod'), 'UNAVAILABLE', words);
      await refused(volume.stage(driver), 'UNAVAILABLE', words);
      // The same publish again is a success: nothing is to be done.
      expect(await volume.publish(driver)).toBe(target);
      await volume.unpublish(driver);
      await volume.stage(driver);
      await isWell(volume);
    },
  );

  it('an ext4 that counts an error and goes on: a second pod gets it, it is checked when both are gone', async () => {
    const volume = await staged(ext4(), SMALL_BYTES);
    const target = await volume.publish(driver);
    await findsError(volume);
    await put(await volume.publish(driver, 'second-pod'), 'from the second', 'third');
    expect(await get(target, 'third')).toBe('from the second');
    await volume.unpublish(driver);
    await volume.unpublish(driver, 'second-pod');
    await isWell(volume);
  });
});

describe('somebody else has', () => {
  it('an ext4 that stopped, in a mount that no journal knows: named, and left alone', async () => {
    const volume = await staged(ext4(), SMALL_BYTES);
    const other = path.join(site.directory, 'by-hand');
    await command('mkdir', other);
    await command('mount', '--bind', await driver.stagingPath(volume.id), other);
    try {
      await shutDown(volume);
      await refused(volume.publish(driver), 'UNAVAILABLE', /by-hand still has it/);
      await refused(volume.stage(driver), 'UNAVAILABLE', /by-hand still has it/);
    } finally {
      await command('umount', other);
    }
    await isWell(volume);
  });
});
