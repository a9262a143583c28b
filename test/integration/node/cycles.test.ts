/**
 * A node's driver after many stages and publishes takes what it took before them: memory, open files, directories and
 * journal. BERTH_CYCLES is how many; a long run prints the curve.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { block, ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { describeFootprint, footprintOf, type Footprint } from './footprint.js';

const CYCLES = Number(process.env['BERTH_CYCLES'] ?? 40);
/** So many at a time, each with a volume of its own. */
const LANES = 4;
/** V8 and libraries are warm after so many. */
const WARM = 12;
/** From here on a curve of memory says something. */
const LONG = 2_000;
/** How much a driver may have grown since it was warm, in MiB: a leak of 1 KiB a cycle shows after 60,000. */
const SLACK_MIB = 60;
/** Much more than a cycle takes on a busy machine. */
const CYCLE_MS = 20_000;

let site: Site;
let driver: Driver;
let volumes: readonly Volume[];

beforeAll(async () => {
  site = await Site.open('cycles');
  driver = await site.driver('node-one', { arguments: ['--log-level', 'warn'] }).start();
  const create = (_: unknown, lane: number) =>
    site.create(driver, lane === LANES - 1 ? block() : ext4(), { sizeBytes: SMALL_BYTES });
  volumes = await Promise.all(Array.from({ length: LANES }, create));
  await Promise.all(volumes.map((volume) => volume.attach(driver)));
});
afterAll(() => site.close());

async function cycle(volume: Volume): Promise<void> {
  const staging = await volume.stage(driver);
  await volume.publish(driver);
  if ('mount' in volume.capability) expect(await get(staging).catch(() => volume.id)).toBe(volume.id);
  if ('mount' in volume.capability) await put(staging, volume.id);
  await volume.unpublish(driver);
  await volume.unstage(driver);
}

/** So many cycles, in lanes; then what the driver takes with nothing staged. */
async function after(cycles: number): Promise<Footprint> {
  let left = cycles;
  const lane = async (volume: Volume): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      await cycle(volume);
    }
  };
  await Promise.all(volumes.map(lane));
  return footprintOf(driver);
}

it(`${CYCLES} cycles of stage, publish, unpublish and unstage: the driver is what it was before them`, {
  timeout: (WARM + CYCLES) * CYCLE_MS,
}, async () => {
  const warm = await after(WARM);
  process.stdout.write(describeFootprint(`after ${WARM} cycles`, warm));
  const curve: Footprint[] = [];
  const step = Math.ceil(CYCLES / (CYCLES < LONG ? 1 : 20));
  for (let done = 0; done < CYCLES; done += step) {
    const now = await after(Math.min(step, CYCLES - done));
    process.stdout.write(describeFootprint(`after ${WARM + Math.min(done + step, CYCLES)} cycles`, now));
    curve.push(now);
  }
  const end = curve.at(-1)!;
  expect(end.journalBytes).toBe(0);
  expect(end.entries).toBe(warm.entries);
  // Some sockets of the monitor and the storage daemon come and go.
  expect(end.descriptors).toBeLessThanOrEqual(warm.descriptors + LANES);
  if (CYCLES < LONG) return;
  // V8 lets memory grow by half and gives it back: what is kept is what is left at the lowest points.
  const lowest = (part: readonly Footprint[]): number => Math.min(...part.map(({ driverMiB }) => driverMiB));
  const half = Math.floor(curve.length / 2);
  expect(lowest(curve.slice(half)), 'since the half').toBeLessThan(lowest(curve.slice(0, half)) * 1.1 + 5);
  expect(lowest(curve.slice(half))).toBeLessThan(warm.driverMiB + SLACK_MIB);
  expect(end.workersMiB).toBeLessThan(warm.workersMiB + SLACK_MIB);
});
