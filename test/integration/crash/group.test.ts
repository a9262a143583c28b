/**
 * A controller that is killed, as by kill -9, at each step of CreateVolumeGroupSnapshot and DeleteVolumeGroupSnapshot:
 * another one ends what it began, and nothing is left.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ANSWER, CONTROLLER_STEPS, START } from '../../../src/volume/operation/steps.js';
import { block, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { GarbageSearch } from '../csi/garbage-search.js';
import { Groups } from '../csi/groups.js';
import { driverDiesAt } from './driver-dies-at.js';
import { Site } from '../csi/site.js';
import { Snapshots } from '../csi/snapshots.js';
import type { Volume } from '../csi/volume.js';

let site: Site;
let dying: Driver;
let living: Driver;
let groups: Groups;
let snapshots: Snapshots;
let garbage: GarbageSearch;
let volumes: readonly [Volume, Volume];

beforeAll(async () => {
  site = await Site.open('groupcrash');
  dying = site.driver('dying', { services: 'controller' });
  living = await site.driver('living', { services: 'controller' }).start();
  groups = new Groups(site);
  snapshots = new Snapshots(site);
  garbage = new GarbageSearch(site.clustersFile);
  const make = () => site.create(living, block(), { sizeBytes: SMALL_BYTES });
  volumes = [await make(), await make()];
});
afterEach(async () => {
  await dying.stop('SIGKILL');
  await groups.end();
});
afterAll(async () => {
  await garbage.close();
  await site.endVolumes();
  await site.close();
});

const diesAt = (step: string, call: () => Promise<unknown>): Promise<void> => driverDiesAt(dying, step, call);

/** `rbd lock add`, which makes a cut fail; the answer breaks it. */
async function lock(): Promise<() => Promise<unknown>> {
  const { image } = volumes[1];
  await site.rbd('lock', 'add', image, 'somebody');
  const [found] = JSON.parse(await site.rbd('lock', 'ls', image, '--format', 'json')) as { locker: string }[];
  return () => site.rbd('lock', 'rm', image, 'somebody', found!.locker);
}

const cuts = async (): Promise<readonly string[]> =>
  (await Promise.all(volumes.map(({ image }) => snapshots.of(image)))).flat();

async function isNothingLeft(name: string): Promise<void> {
  expect([await cuts(), await groups.hasRecord(name), await garbage.report()]).toEqual([[], false, []]);
}

/** Each takes some seconds. Unless all are asked for, those after which there is something to clear away. */
const SAMPLE: readonly string[] = ['look at snapshots', 'remove snapshots'];
const isChosen = (step: string): boolean => process.env['BERTH_CRASH_ALL'] === '1' || SAMPLE.includes(step);

/** Steps that a call comes to only where the cut fails. */
const AFTER_FAILURE: readonly string[] = ['undo snapshots', 'give name back'];

describe('CreateVolumeGroupSnapshot, the controller is killed', () => {
  it.each([START, ...CONTROLLER_STEPS.createGroup, ANSWER].filter(isChosen))(
    'at "%s": another one takes the one group, and nothing is left when that is deleted',
    async (step) => {
      const name = site.unique('group');
      const undo = AFTER_FAILURE.includes(step) ? await lock() : () => Promise.resolve();
      await diesAt(`createGroup:${step}`, () => groups.take(dying, volumes, name));
      await undo();
      const taken = await groups.take(living, volumes, name);
      expect(taken.snapshots).toHaveLength(2);
      expect(await cuts()).toHaveLength(2);
      await groups.remove(taken.groupSnapshotId);
      await isNothingLeft(name);
    },
  );
});

describe('DeleteVolumeGroupSnapshot, the controller is killed', () => {
  it.each([START, ...CONTROLLER_STEPS.deleteGroup, ANSWER].filter(isChosen))(
    'at "%s": another one deletes it, and nothing is left',
    async (step) => {
      const name = site.unique('group');
      const { groupSnapshotId } = await groups.take(living, volumes, name);
      await diesAt(`deleteGroup:${step}`, () => groups.remove(groupSnapshotId, dying));
      await groups.remove(groupSnapshotId, living);
      await isNothingLeft(name);
    },
  );
});
