/**
 * SIGTERM while a tool works that would begin from zero: the driver waits for it, its next life finds it done. What it
 * does not wait for is cut, counts as no failure, and the process ends.
 */
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ext4, RWOP, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { df, get, put } from './files.js';
import { HeldTools, type HeldTool } from './held-tools.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

/** Layout of mke2fs that moves data when it grows; unmounted, as on a machine without CAP_SYS_RESOURCE. */
const OLD = { mkfsOptions: '-b 1024 -O resize_inode' };
/** After it a caller gives up, in ms: the drain need not wait for it. */
const CALLER_MS = 2_000;

let site: Site;
let tools: HeldTools;
let patient: Driver;
let hurried: Driver;

const start = (driver: Driver): Promise<Driver> => driver.start('ready', tools.environment);

beforeAll(async () => {
  site = await Site.open('stop');
  tools = await HeldTools.make(path.join(site.directory, 'tools'));
  hurried = site.driver('node-hurried', { arguments: ['--work-grace', '1'] });
  patient = site.driver('node-patient');
  await Promise.all([start(patient), start(hurried)]);
});
afterAll(async () => {
  await tools.letGoAll();
  await site.close();
});

/** A volume that is to grow, and a driver that was told to stop when its resize2fs had begun. */
async function stopped(driver: Driver): Promise<{ volume: Volume; resize: HeldTool; ended: Promise<string> }> {
  const volume = await site.create(driver, ext4(RWOP), { sizeBytes: SMALL_BYTES, parameters: OLD });
  await put(await volume.bring(driver), 'before it grew');
  await volume.leave(driver);
  await volume.expand(2 * SMALL_BYTES);
  await volume.attach(driver);
  const resize = await tools.hold('resize2fs');
  const call = volume.stage(driver, {}, CALLER_MS).catch(String);
  await expect.poll(resize.begun).toBe('begun\n');
  expect(await call).toMatch(/DEADLINE/);
  return { volume, resize, ended: driver.stop() };
}

/** A line of its log says this, and names the volume among what works. */
async function tells(driver: Driver, message: string, { id }: Volume): Promise<void> {
  const lines = async () => (await driver.log()).split('\n').filter((line) => line.includes(`"${message}"`));
  await expect.poll(lines).toEqual([expect.stringContaining(id)]);
}

async function isGrown(volume: Volume, driver: Driver): Promise<void> {
  await start(driver);
  const target = await volume.bring(driver);
  expect(await get(target)).toBe('before it grew');
  expect(Number((await df(target)).size)).toBeGreaterThan(1.5 * SMALL_BYTES);
  expect(await site.metadata(volume.image)).not.toHaveProperty('berth.dev/growth');
  await volume.end();
}

it('SIGTERM during a growth: the driver waits for it, refuses calls, and the next one has nothing to do', async () => {
  const { volume, resize, ended } = await stopped(patient);
  await tells(patient, 'the stop waits for work', volume);
  await resize.letGo();
  expect(await ended).toBe('exit code 0');
  expect(await site.rbd('snap', 'ls', volume.image)).toBe('');
  await isGrown(volume, patient);
  expect(await resize.begun()).toBe('begun\n');
});

it('SIGTERM, a growth longer than the grace: cut, not counted, undone and grown by the next driver', async () => {
  const { volume, resize, ended } = await stopped(hurried);
  expect(await ended).toBe('exit code 0');
  await tells(hurried, 'work is cut: it is repeated or undone when it is asked for again', volume);
  const record = (await site.metadata(volume.image))['berth.dev/growth'] ?? '';
  expect(JSON.parse(record)).toMatchObject({ state: 'growing', tries: 0 });
  await resize.letGo();
  await isGrown(volume, hurried);
  expect(await resize.begun()).toBe('begun\nbegun\n');
});
