/**
 * A controller that is killed, as by kill -9, at each step of CreateSnapshot and DeleteSnapshot: another one ends what
 * it began, and nothing is left.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { ANSWER, CONTROLLER_STEPS, START } from '../../../src/volume/operation/steps.js';
import { sampled } from '../../crash/sampled.js';
import { refused } from '../csi/calls.js';
import { block, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { GarbageSearch } from '../csi/garbage-search.js';
import { driverDiesAt } from './driver-dies-at.js';
import { Site } from '../csi/site.js';
import { Snapshots } from '../csi/snapshots.js';
import type { Volume } from '../csi/volume.js';

let site: Site;
let dying: Driver;
let living: Driver;
let snapshots: Snapshots;
let garbage: GarbageSearch;

beforeAll(async () => {
  site = await Site.open('snapcrash');
  dying = site.driver('dying', { services: 'controller' });
  living = await site.driver('living', { services: 'controller' }).start();
  snapshots = new Snapshots(site);
  garbage = new GarbageSearch(site.clustersFile);
});
afterEach(async () => {
  await dying.stop('SIGKILL');
  await snapshots.end();
  await site.endVolumes();
});
afterAll(async () => {
  await garbage.close();
  await site.close();
});

const diesAt = (step: string, call: () => Promise<unknown>): Promise<void> => driverDiesAt(dying, step, call);

/** `rbd lock add`; the answer breaks it. */
async function lock(volume: Volume): Promise<() => Promise<unknown>> {
  await site.rbd('lock', 'add', volume.image, 'somebody');
  const [found] = JSON.parse(await site.rbd('lock', 'ls', volume.image, '--format', 'json')) as { locker: string }[];
  return () => site.rbd('lock', 'rm', volume.image, 'somebody', found!.locker);
}

/** The claim of a delete, as DeleteVolume writes it; the answer takes it away again. */
async function claimDelete(volume: Volume): Promise<() => Promise<unknown>> {
  const claim = { version: 1, deleting: [{ client: '10.0.0.1:0/1', since: '2026-01-01T00:00:00.000Z' }] };
  await site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, JSON.stringify(claim));
  return () => site.rbd('image-meta', 'remove', volume.image, HOLDER_KEY);
}

/** What makes a call come to a step that it does not come to by itself; the answer undoes that. */
type Before = (volume: Volume, name: string) => Promise<() => Promise<unknown>>;
const nothing: Before = () => Promise.resolve(() => Promise.resolve());

type StepOf<Op extends 'createSnapshot' | 'deleteSnapshot'> =
  | (typeof CONTROLLER_STEPS)[Op][number]
  | typeof START
  | typeof ANSWER;

/** The table of steps again: a new step does not compile before it has its way there. */
const CREATE: Readonly<Record<StepOf<'createSnapshot'>, Before>> = {
  start: nothing,
  look: nothing,
  'claim name': nothing,
  'take snapshot': nothing,
  'look at snapshot': nothing,
  'write name': nothing,
  'undo snapshot': async (volume, name) => {
    await diesAt('createSnapshot:look at snapshot', () => snapshots.take(dying, volume, name));
    return claimDelete(volume);
  },
  'give name back': lock,
  answer: nothing,
};
const DELETE: Readonly<Record<StepOf<'deleteSnapshot'>, Before>> = {
  start: nothing,
  look: nothing,
  'forget name': nothing,
  'remove snapshot': nothing,
  'restore name': lock,
  answer: nothing,
};

const make = (): Promise<Volume> => site.create(living, block(), { sizeBytes: SMALL_BYTES });

async function isNothingLeft(volume: Volume, name: string): Promise<void> {
  expect(await snapshots.of(volume.image)).toEqual([]);
  expect(await snapshots.records(`berth-snap-${name}`)).toEqual([]);
  expect(await garbage.report()).toEqual([]);
}

describe('CreateSnapshot, the controller is killed', () => {
  it.each(sampled([START, ...CONTROLLER_STEPS.createSnapshot, ANSWER] as const))(
    'at "%s": another one takes the one snapshot, and nothing is left when that is deleted',
    async (step) => {
      const volume = await make();
      const name = site.unique('snap');
      const undo = await CREATE[step](volume, name);
      await diesAt(`createSnapshot:${step}`, () => snapshots.take(dying, volume, name));
      if (step === 'undo snapshot') {
        await refused(snapshots.take(living, volume, name), 'ABORTED', /BERTH_VOLUME_DELETING/);
        await isNothingLeft(volume, name);
      }
      await undo();
      const taken = await snapshots.take(living, volume, name);
      expect(await snapshots.list(living, { sourceVolumeId: volume.id })).toEqual([taken]);
      await snapshots.remove(taken.snapshotId);
      await isNothingLeft(volume, name);
    },
  );
});

describe('DeleteSnapshot, the controller is killed', () => {
  it.each(sampled([START, ...CONTROLLER_STEPS.deleteSnapshot, ANSWER] as const, 1))(
    'at "%s": another one deletes it, and nothing is left',
    async (step) => {
      const volume = await make();
      const name = site.unique('snap');
      const { snapshotId } = await snapshots.take(living, volume, name);
      const undo = await DELETE[step](volume, name);
      await diesAt(`deleteSnapshot:${step}`, () => snapshots.remove(snapshotId, dying));
      await undo();
      await snapshots.remove(snapshotId, living);
      expect(await snapshots.list(living, { snapshotId })).toEqual([]);
      await isNothingLeft(volume, name);
    },
  );
});
