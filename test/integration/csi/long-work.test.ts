/** Work that outlasts every caller and the operation's own time ends in success: retries join it, others are told. */
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refused } from './calls.js';
import { ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { HeldTools } from './held-tools.js';
import { Site } from './site.js';

/** The operation's own time, and a caller's: both are over long before the work ends. */
const OPERATION_MS = 1_000;
const CALLER_MS = 4_000;

let site: Site;
let driver: Driver;
let tools: HeldTools;

beforeAll(async () => {
  site = await Site.open('long');
  tools = await HeldTools.make(path.join(site.directory, 'tools'));
  driver = site.driver('node');
  const env = { ...tools.environment, BERTH_OPERATION_MS: String(OPERATION_MS) };
  await driver.start('ready', env);
});
afterAll(async () => {
  await tools.letGoAll();
  await site.close();
});

it('NodeStage, mkfs longer than caller and operation: DEADLINE tells, a retry joins and succeeds', async () => {
  const mkfs = await tools.hold('mkfs.ext4');
  const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  await volume.attach(driver);
  for (const round of [1, 2]) {
    const call = volume.stage(driver, {}, CALLER_MS);
    await refused(call, 'DEADLINE_EXCEEDED', /stage of .* \(step mkfs of ext4, .*waiting for mkfs\.ext4 .*continues/s);
    expect([round, await mkfs.begun()]).toEqual([round, 'begun\n']);
  }
  await refused(
    volume.unstage(driver),
    'ABORTED',
    /stage is running since \d+ ms at step mkfs of ext4, waiting for mkfs/,
  );
  await mkfs.letGo();
  await volume.stage(driver);
  expect(await mkfs.begun()).toBe('begun\n');
  await put(await volume.publish(driver), 'made once');
  await volume.end();
});

it('NodeStage, growth longer than caller and operation: it is not cut, a retry joins and succeeds', async () => {
  const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  await put(await volume.bring(driver), 'before it grew');
  await volume.unpublish(driver);
  await volume.unstage(driver);
  await volume.expand(2 * SMALL_BYTES);
  const resize = await tools.hold('resize2fs');
  for (const round of [1, 2]) {
    const call = volume.stage(driver, {}, CALLER_MS);
    await refused(
      call,
      'DEADLINE_EXCEEDED',
      /stage of .* \(step resize unmounted, .*waiting for resize2fs .*continues/s,
    );
    expect([round, await resize.begun()]).toEqual([round, 'begun\n']);
  }
  await resize.letGo();
  await volume.stage(driver);
  expect(await resize.begun()).toBe('begun\n');
  expect(await get(await volume.publish(driver))).toBe('before it grew');
  await volume.end();
});
