/**
 * Two controllers that are asked the same at the same time, by every call that makes or removes something: one object,
 * one answer. They share Ceph and nothing else. BERTH_PAIR_ROUNDS says how many lives of a volume.
 */
import { status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VolumeContentSource } from '../../../src/csi/gen/csi/v1/VolumeContentSource.js';
import { Deadline } from '../../../src/model/deadline.js';
import { isBerthError } from '../../../src/model/errors.js';
import { workThrough } from '../../../src/model/settle-all.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import { undeleteVolume } from '../../../src/volume/controller/delete/undelete-volume.js';
import { startLibrbd } from '../rbd/librbd.js';
import { block, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { GarbageSearch } from './garbage-search.js';
import { Groups } from './groups.js';
import { PurgingController } from './purging-controller.js';
import { Site } from './site.js';
import { Snapshots } from './snapshots.js';

const ROUNDS = Number(process.env['BERTH_PAIR_ROUNDS'] ?? 2);
/** Lives beside each other: most of one is waiting for the monitors. */
const LANES = 6;
/** What one life may take beside the others on a busy machine, ms. */
const LIFE_MS = 60_000;
/** As long as a sidecar insists, ms. */
const INSIST_MS = 120_000;
/** After the time for which deleted volumes are kept. */
const LATER_MS = 7_200_000;

let site: Site;
let pair: readonly [Driver, Driver];
let snapshots: Snapshots;
let groups: Groups;
let garbage: GarbageSearch;
/** Of two people with `berth undelete`. */
const ports = [startLibrbd(), startLibrbd()] as const;
/** How often one of the two was told to come again, by call. */
const again = new Map<string, number>();

beforeAll(async () => {
  site = await Site.open('pair');
  const start = (name: string) => site.driver(name, { services: 'controller' }).start();
  pair = [await start('one'), await start('two')];
  [snapshots, groups, garbage] = [new Snapshots(site), new Groups(site), new GarbageSearch(site.clustersFile)];
});
afterAll(async () => {
  await Promise.all([garbage.close(), ...ports.map((port) => port.close())]);
  await site.close();
});

/** Is it to be asked again? A purge of the other one, too, has an image open for a moment. */
const isToCome = ({ code = status.OK, details = '' }: Partial<ServiceError>): boolean =>
  [status.DEADLINE_EXCEEDED, status.ABORTED, status.UNAVAILABLE].includes(code) ||
  (code === status.FAILED_PRECONDITION && /BERTH_VOLUME_IN_USE|BERTH_IMAGE_BUSY/.test(details));

/** As a sidecar does. */
async function insist<T>(what: string, call: () => Promise<T>): Promise<T> {
  for (const last = performance.now() + INSIST_MS; ; ) {
    try {
      return await call();
    } catch (error) {
      if (!isToCome(error as Partial<ServiceError>) || performance.now() > last) throw error;
      again.set(what, (again.get(what) ?? 0) + 1);
      await sleep(100);
    }
  }
}

/** The answer that both have given. */
async function both<T>(what: string, call: (on: Driver) => Promise<T>): Promise<T> {
  const [one, two] = await Promise.all(pair.map((on) => insist(what, () => call(on))));
  expect(one, `${what}: two answers`).toEqual(two);
  return one!;
}

async function create(what: string, name: string, source?: VolumeContentSource): Promise<string> {
  const parameters = { deleteRetention: '1h' };
  const request = site.request(block(), { name, sizeBytes: SMALL_BYTES, parameters });
  const asked = source === undefined ? request : { ...request, volumeContentSource: source };
  const { volume } = await both(what, (on) => on.controller.CreateVolume(asked));
  return volume!.volumeId;
}
const remove = (volumeId: string) =>
  both('DeleteVolume', (on) => on.controller.DeleteVolume({ volumeId, secrets: site.secrets() }));

/** Who comes when the other one is through is told that there is no deleted volume of that handle any more. */
async function undelete(volume: string): Promise<void> {
  const clusters = new Clusters(site.clustersFile);
  const asked = { volume, id: undefined, as: undefined };
  const ends = await Promise.allSettled(
    ports.map((rbd) => undeleteVolume({ rbd, clusters }, asked, Deadline.after(60_000))),
  );
  const answers = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  expect(answers.length, 'how many have brought it back').toBeGreaterThan(0);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  for (const end of ends) {
    if (end.status === 'rejected' && !isBerthError(end.reason, 'BERTH_VOLUME_NOT_FOUND')) throw end.reason;
  }
}

const imageOf = (volume: string): string => volume.split('/').slice(1).join('/');
const userSnapshots = async (volume: string): Promise<readonly string[]> => {
  const text = await site.rbd('snap', 'ls', imageOf(volume), '--format', 'json');
  return (JSON.parse(text) as { name: string }[]).map(({ name }) => name);
};

/** Every call once, by both. */
async function life(): Promise<void> {
  const name = site.unique('vol');
  const origin = await create('CreateVolume', name);
  const cut = site.unique('snap');
  const snapshot = await both('CreateSnapshot', (on) => snapshots.take(on, origin, cut));
  const restored = await create('CreateVolume from a snapshot', `${name}-r`, {
    snapshot: { snapshotId: snapshot.snapshotId },
  });
  const cloned = await create('CreateVolume from a volume', `${name}-c`, { volume: { volumeId: origin } });
  const volumes = [origin, cloned].map((id) => site.adopt(id, block(), pair[0]));
  const named = site.unique('group');
  const group = await both('CreateVolumeGroupSnapshot', (on) => groups.take(on, volumes, named));
  expect(group.snapshots).toHaveLength(2);
  const mine = (await site.images()).filter((image) => image.startsWith(`berth-${name}`));
  expect(mine.sort()).toEqual([`berth-${name}`, `berth-${name}-c`, `berth-${name}-r`]);
  expect((await userSnapshots(origin)).filter((one) => one === `berth-snap-${cut}`)).toHaveLength(1);
  expect(await userSnapshots(origin)).toHaveLength(2);
  expect(await userSnapshots(cloned)).toHaveLength(1);
  await both('DeleteVolumeGroupSnapshot', (on) => groups.remove(group.groupSnapshotId, on));
  await both('DeleteSnapshot', (on) => snapshots.remove(snapshot.snapshotId, on));
  expect([await userSnapshots(origin), await userSnapshots(cloned)]).toEqual([[], []]);
  await contest(origin, cloned);
  for (const volume of [restored, cloned, origin]) await remove(volume);
  await undelete(origin);
  expect(await site.images()).toContain(`berth-${name}`);
  await remove(origin);
  expect((await site.images()).filter((image) => image.startsWith(`berth-${name}`))).toEqual([]);
}

/** Of two volumes that want one name for a snapshot, one gets it. */
async function contest(one: string, other: string): Promise<void> {
  const name = site.unique('snap');
  const ends = await Promise.allSettled([
    insist('CreateSnapshot, contested', () => snapshots.take(pair[0], one, name)),
    insist('CreateSnapshot, contested', () => snapshots.take(pair[1], other, name)),
  ]);
  const taken = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  const refusals = ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []));
  expect([taken.length, refusals]).toEqual([1, [expect.stringContaining('BERTH_SNAPSHOT_EXISTS') as string]]);
  await both('DeleteSnapshot', (on) => snapshots.remove(taken[0]!.snapshotId, on));
}

it(`every call that makes or removes, asked of two controllers at once, ${ROUNDS} times: one object, one answer`, {
  timeout: INSIST_MS + ROUNDS * LIFE_MS,
}, async () => {
  const begun = performance.now();
  await workThrough(Array.from({ length: ROUNDS }), LANES, life);
  const purging = new PurgingController(
    site.clustersFile,
    () => ({}),
    () => new Date(Date.now() + LATER_MS),
  );
  const deleted = () => site.deleted();
  try {
    await purging.until(
      async () => (await deleted()).length === 0,
      async () => (await deleted()).join(', '),
    );
  } finally {
    await purging.close();
  }
  expect(await garbage.report()).toEqual([]);
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  const told = [...again].map(([what, times]) => `${what} ${times}`).join(', ');
  process.stdout.write(`two controllers: ${ROUNDS} lives in ${seconds} s; told to come again: ${told || 'nobody'}\n`);
});
