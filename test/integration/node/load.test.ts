/**
 * Random load with kills of controllers, node and workers ends with nothing left. BERTH_LOAD_MINUTES=60 is the long
 * run, whose second half is without kills and shows that memory stays flat; BERTH_LOAD_SEED repeats the choices.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';
import { describeFootprint, footprintOf, type Footprint } from './footprint.js';
import { Load, randomOf } from './load.js';
import { servedFiles } from './storage-daemon.js';

const MINUTES = Number(process.env['BERTH_LOAD_MINUTES'] ?? 0.1);
const SEED = Number(process.env['BERTH_LOAD_SEED'] ?? Date.now() % 2 ** 31);
const LOAD_MS = MINUTES * 60_000;
const IS_LONG = MINUTES >= 5;
const LANES = IS_LONG ? 8 : 4;
/** Between two kills, ms. */
const KILL_MS = IS_LONG ? 7_000 : 1_500;
/** The curve has so many points in each half. */
const SAMPLES = 10;

let site: Site;
let drivers: readonly Driver[];
let load: Load;

beforeAll(async () => {
  site = await Site.open('load');
  const arguments_ = ['--log-level', 'warn'];
  const controller = (name: string) =>
    site.driver(name, { services: 'identity,controller', arguments: arguments_ }).start();
  const [one, two] = await Promise.all([controller('one'), controller('two')]);
  const node = await site.driver('node', { services: 'identity,node', arguments: arguments_ }).start();
  drivers = [one, two, node];
  load = new Load(site, [one, two], node, randomOf(SEED));
});
afterAll(() => site.close());

/** Lives in lanes for so long; an error of one ends all. */
async function lives(ms: number, beside: (isOver: () => boolean) => Promise<void>): Promise<void> {
  const end = performance.now() + ms;
  let failed = false;
  const isOver = (): boolean => failed || performance.now() > end;
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      await load.life().catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const all = await Promise.allSettled([...Array.from({ length: LANES }, lane), beside(isOver)]);
  const errors = all.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
  if (errors.length > 0) throw new AggregateError(errors, `seed ${SEED}: ${errors.map(String).join('; ')}`);
}

const kills = async (isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    await load.kill();
    await sleep(KILL_MS);
  }
};

const curves = new Map<string, Footprint[]>();
const samples = async (isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    for (const driver of drivers) {
      const now = await footprintOf(driver);
      curves.set(driver.name, [...(curves.get(driver.name) ?? []), now]);
      if (IS_LONG) process.stdout.write(describeFootprint(driver.name, now));
    }
    await sleep(LOAD_MS / 2 / SAMPLES);
  }
};

it(`${MINUTES} minutes of random load with kills, then without: nothing is left, and memory is flat`, {
  timeout: 2 * LOAD_MS + 600_000,
}, async () => {
  await lives(LOAD_MS / 2, kills);
  // Whoever was killed last is well again.
  for (const driver of drivers) {
    const isReady = async () => (await driver.identity.Probe({})).ready?.value;
    await expect.poll(isReady).toBe(true);
  }
  await lives(LOAD_MS / 2, samples);
  const { lives: count, calls, repeats, kills: killed } = load.counts;
  process.stdout.write(`load: seed ${SEED}, ${count} lives, ${calls} calls, ${repeats} repeats, ${killed} kills\n`);
  expect(count).toBeGreaterThanOrEqual(LANES);
  const node = drivers.at(-1)!;
  expect(await site.images()).toEqual([]);
  expect((await readdir(path.join(node.stateDir, 'journal'))).filter((name) => name.endsWith('.json'))).toEqual([]);
  expect(await servedFiles(node)).toEqual([]);
  await site.purged();
  for (const driver of drivers) {
    const { descriptors } = await footprintOf(driver);
    expect(descriptors, driver.name).toBeLessThan(80);
  }
  if (!IS_LONG) return;
  for (const [name, curve] of curves) {
    // The first of them are warming up.
    const [warm, end] = [curve[Math.floor(curve.length / 3)]!, curve.at(-1)!];
    expect(end.driverMiB, `${name}: ${JSON.stringify(curve)}`).toBeLessThan(warm.driverMiB * 1.15 + 10);
    expect(end.workersMiB, `${name}: ${JSON.stringify(curve)}`).toBeLessThan(warm.workersMiB * 1.15 + 20);
  }
});
