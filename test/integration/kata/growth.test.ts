/**
 * How large and how full a volume is that a guest has: grown offline or refused in words, and never with the guard's
 * numbers.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { asGuest, recordAt } from '../../kata/host.js';
import { refused } from '../csi/calls.js';
import { ext4, RWOP, SMALL_BYTES, xfs, XFS_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { df } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('kata-grow');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const kata = (
  capability = ext4(RWOP),
  parameters: Readonly<Record<string, string>> = {},
  sizeBytes = SMALL_BYTES,
): Promise<Volume> => site.create(driver, capability, { sizeBytes, parameters: { sandbox: 'kata', ...parameters } });

describe('NodeExpand for Kata', () => {
  it('of an ext4 is pending while its pod has it, and done at the next stage', async () => {
    const volume = await kata();
    const target = await volume.bring(driver);
    const size = 2 * SMALL_BYTES;
    await volume.expand(size);
    const pending = volume.expandOn(driver, size, target);
    await refused(pending, 'FAILED_PRECONDITION', /EXPANSION_PENDING.*staged again/);
    await volume.leave(driver);
    const again = await volume.bring(driver);
    expect(await volume.expandOn(driver, size, again)).toBe(String(size));
    const { device } = await recordAt(driver.kataRecords, again);
    await asGuest({ device, fsType: 'ext4' }, async (at) => {
      expect(Number((await df(at)).size)).toBeGreaterThan(SMALL_BYTES * 1.5);
    });
  });

  it('of an ext4 that no pod has is done at once', async () => {
    const volume = await kata();
    await volume.attach(driver);
    const staging = await volume.stage(driver);
    await volume.expand(2 * SMALL_BYTES);
    expect(await volume.expandOn(driver, 2 * SMALL_BYTES, staging)).toBe(String(2 * SMALL_BYTES));
  });

  it('of an xfs is refused with the way out, or done at a stage where the host may mount it', async () => {
    const size = XFS_BYTES + 64 * 2 ** 20;
    const volume = await kata(xfs(RWOP), { allowHostMount: 'true' }, XFS_BYTES);
    const target = await volume.bring(driver);
    await volume.expand(size);
    await refused(volume.expandOn(driver, size, target), 'FAILED_PRECONDITION', /GUEST_GROWTH_REFUSED.*xfs_growfs/);
    await volume.leave(driver);
    const again = await volume.bring(driver);
    expect(await volume.expandOn(driver, size, again)).toBe(String(size));
    expect(await mountAt(await driver.stagingPath(volume.id))).toBeUndefined();
  });
});

it('NodeGetVolumeStats for Kata: never the guard’s numbers', async () => {
  const volume = await kata();
  const volumePath = await volume.bring(driver);
  const { usage, volumeCondition } = await driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath });
  expect(usage).toEqual([]);
  expect(volumeCondition).toMatchObject({
    abnormal: false,
    message: expect.stringMatching(/inside its virtual machine/) as string,
  });
  const [name] = await readdir(driver.kataRecords);
  const file = path.join(driver.kataRecords, name!, 'mountInfo.json');
  const before = await readFile(file, 'utf8');
  await writeFile(file, '{}');
  const sick = await driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath });
  expect(sick.volumeCondition).toMatchObject({
    abnormal: true,
    message: expect.stringMatching(/record is gone or changed/) as string,
  });
  await writeFile(file, before);
});
