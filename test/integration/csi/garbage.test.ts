/**
 * What a controller leaves that is killed and never asked again, and what hands leave: each is found, says what it is,
 * and goes, while nothing that lives is touched.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { block, SMALL_BYTES } from './capabilities.js';
import type { KnownClaim } from '../../../src/volume/controller/garbage/known-volumes.js';
import type { Driver } from './driver.js';
import { GarbageSearch } from './garbage-search.js';
import { Groups } from './groups.js';
import { PurgingController } from './purging-controller.js';
import { Site } from './site.js';
import { Snapshots } from './snapshots.js';
import type { Volume } from './volume.js';

const MAIN = path.resolve('dist/src/main.js');
const INSTALLATION = 'of-this-test';
/** How long a driver may take to come to its step, ms. */
const DEATH_MS = 60_000;

let site: Site;
let driver: Driver;
let search: GarbageSearch;
let snapshots: Snapshots;
let groups: Groups;
/** Handles that have a PersistentVolume. */
const bound = new Set<string>();
/** Claims that are there. */
const claims = new Map<string, KnownClaim>();
/** Handles of snapshots and groups that have an object. */
const told = new Set<string>();

beforeAll(async () => {
  site = await Site.open('garbage');
  driver = await site.driver('one', { services: 'controller', arguments: ['--installation', INSTALLATION] }).start();
  const volumes = {
    installation: INSTALLATION,
    hasVolume: (handle: string) => bound.has(handle),
    claim: (namespace: string, name: string) => Promise.resolve(claims.get(`${namespace}/${name}`)),
  };
  const contents = { installation: INSTALLATION, explains: (handle: string) => told.has(handle) };
  search = new GarbageSearch(site.clustersFile, volumes, contents);
  snapshots = new Snapshots(site);
  groups = new Groups(site);
});
afterAll(async () => {
  await search.close();
  await groups.end();
  await snapshots.end();
  await site.close();
});

const labels = (name: string) => ({
  'csi.storage.k8s.io/pvc/name': name,
  'csi.storage.k8s.io/pvc/namespace': 'shop',
});
const make = (name = site.unique('pvc')): Promise<Volume> =>
  site.create(driver, block(), { sizeBytes: SMALL_BYTES, name, parameters: labels(name) });
async function makeBound(): Promise<Volume> {
  const volume = await make();
  bound.add(volume.id);
  return volume;
}

/** The driver ends itself at the step, and nobody asks again. */
async function killedAt(step: string, call: () => Promise<unknown>): Promise<void> {
  await driver.stop('SIGKILL');
  await driver.start('ready', { BERTH_CRASH_AT: step });
  const answer = call().catch((error: unknown) => error);
  expect(await driver.death(DEATH_MS), `how the driver ended at ${step}`).toBe('SIGKILL');
  expect(await answer).toBeInstanceOf(Error);
}

const cut = ({ image }: Volume, name: string) => site.rbd('snap', 'create', '--no-progress', `${image}@${name}`);
/** The data of all that was deleted. */
async function purge(): Promise<void> {
  const purging = new PurgingController(site.clustersFile);
  try {
    await purging.until(
      async () => (await site.deleted()).length === 0,
      async () => (await site.deleted()).join(', '),
    );
  } finally {
    await purging.close();
  }
}
/** As a report names it. */
const imageOf = ({ image }: Volume): string => image;

it('what kills and hands have left is listed after an hour, --yes removes it, and what lives stays', async () => {
  const [origin, other, data, empty, going, claimed] = [
    await makeBound(),
    await makeBound(),
    await make(),
    await make(),
    await make(),
    await make('pvc-uid-7'),
  ] as const;
  claims.set('shop/pvc-uid-7', { uid: 'uid-7', volume: '' });
  await site.rbd('bench', '--io-type', 'write', '--io-size', '4096', '--io-total', '4096', imageOf(data));
  const [living, kept] = [await snapshots.take(driver, origin), await snapshots.take(driver, other)];
  const [keptName = ''] = await snapshots.of(imageOf(other));
  const names = { copy: site.unique('pvc'), group: site.unique('g'), kept: site.unique('g') };
  const cutShort = { name: site.unique('s'), untold: site.unique('s') };
  const group = await groups.take(driver, [origin, other]);
  const keptGroup = await groups.take(driver, [origin], names.kept);
  for (const handle of [living.snapshotId, group.groupSnapshotId]) told.add(handle);
  const half = `pvc-${randomUUID()}`;
  const copy = (name: string) => ({
    ...site.request(block(), { sizeBytes: SMALL_BYTES, name }),
    volumeContentSource: { volume: { volumeId: origin.id } },
  });
  await killedAt('create:clone image', () => driver.controller.CreateVolume(copy(names.copy)));
  await killedAt('create:trash cut', () => driver.controller.CreateVolume(copy(half)));
  await killedAt('createGroup:look at snapshots', () => groups.take(driver, [origin, other], names.group));
  await killedAt('createSnapshot:take snapshot', () => snapshots.take(driver, origin, cutShort.name));
  await killedAt('createSnapshot:write name', () => snapshots.take(driver, origin, cutShort.untold));
  await killedAt('delete:move aside', () => going.delete());
  await driver.start();
  await cut(origin, 'berth-growth-7');
  await cut(origin, 'berth-group-gone.01234567');
  await cut(origin, 'by-hand');

  expect(await search.report('at once'), 'everything is younger than an hour').toEqual([]);
  const left = [
    `clone-snapshot ${imageOf(origin)}@berth-clone-berth-${names.copy}`,
    `group berth.group-snapshots berth-group-${names.group}`,
    `group-snapshot ${imageOf(origin)}@berth-group-gone.01234567`,
    `growth-snapshot ${imageOf(origin)}@berth-growth-7`,
    `snapshot ${imageOf(other)}@${keptName}`,
    `snapshot-name berth.snapshot-names berth-snap-${cutShort.name}`,
    `told-group berth.group-snapshots berth-group-${names.kept}`,
    `unfinished-copy ${site.pool}/${site.namespace}/berth-${half}`,
    `unfinished-delete ${imageOf(going)}`,
    `untold-snapshot berth.snapshot-names berth-snap-${cutShort.untold}`,
    `volume ${imageOf(data)}`,
    `volume ${imageOf(empty)}`,
  ];
  expect(await search.report()).toEqual([...left].sort());

  const ends = await search.remove();
  const stay = ends.filter(({ outcome }) => outcome !== 'removed');
  expect(stay.map(({ garbage, outcome }) => `${garbage.kind} ${outcome}`).sort()).toEqual([
    'group-snapshot kept',
    'snapshot kept',
    'told-group kept',
    'volume kept',
  ]);
  await site.rbd('snap', 'rm', '--no-progress', `${imageOf(origin)}@berth-group-gone.01234567`);
  for (const handle of [kept.snapshotId, keptGroup.groupSnapshotId]) told.add(handle);
  // What the copy stood on is nobody's once that has gone.
  expect(await search.report()).toEqual([
    `clone-snapshot ${imageOf(origin)}@berth-clone-berth-${half}`,
    `volume ${imageOf(data)}`,
  ]);
  await purge();
  await search.remove();
  expect(await search.report()).toEqual([`volume ${imageOf(data)}`]);

  expect([...(await site.images())].sort()).toEqual(
    [origin, other, data, claimed].map((one) => imageOf(one).split('/').at(-1)).sort(),
  );
  const standing = await snapshots.of(imageOf(origin));
  expect(standing.filter((name) => name.startsWith('berth-group-'))).toHaveLength(2);
  expect(standing.filter((name) => !name.startsWith('berth-group-'))).toHaveLength(2);
  expect(standing).toContain('by-hand');
  expect(await snapshots.list(driver, { snapshotId: living.snapshotId })).toEqual([living]);
  for (const { groupSnapshotId } of [group, keptGroup]) await groups.remove(groupSnapshotId);
  await site.rbd('snap', 'rm', '--no-progress', `${imageOf(origin)}@by-hand`);
}, 240_000);

it('berth garbage without Kubernetes: says what it cannot judge, and ends with 2', async () => {
  const options = ['--clusters', site.clustersFile, '--services', 'controller', '--kubernetes', 'off'];
  const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
    execFile(process.execPath, [MAIN, 'garbage', ...options], (error, out) =>
      resolve({ code: error?.code ?? 0, stdout: out }),
    );
  });
  expect(stdout).toMatch(/not looked at: volumes without a PersistentVolume are not known: there is no Kubernetes\n/);
  expect(stdout).toMatch(/nothing that is not explained\n$/);
  expect(code).toBe(2);
});
