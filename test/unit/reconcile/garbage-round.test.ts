/** The controller's own look for garbage: what it counts, says and announces; it removes nothing. */
import { beforeEach, expect, it } from 'vitest';
import { Installation } from '../../../src/attachment/node-identity.js';
import type { Note } from '../../../src/kube/events.js';
import { createLog } from '../../../src/observe/log.js';
import { Counters } from '../../../src/observe/metrics.js';
import { GarbageRound } from '../../../src/reconcile/garbage/garbage-round.js';
import { createVolume } from '../../../src/volume/controller/create/create-volume.js';
import { ForeignImages } from '../../../src/volume/controller/list/foreign-images.js';
import { creation, memoryCluster, NOW, soon } from '../volume/controller/memory-cluster.js';
import { createParts } from '../volume/controller/use-case-parts.js';

const cluster = memoryCluster();
const bound = new Set<string>();
let counters: Counters;
let said: Note[];
let round: GarbageRound;
const never = () => false;
const parameters = { 'csi.storage.k8s.io/pvc/name': 'data', 'csi.storage.k8s.io/pvc/namespace': 'shop' };
const make = (installation: string) =>
  createVolume(
    { ...createParts(cluster), installation: new Installation(installation) },
    creation('pvc-1', { parameters }),
    soon(),
  );

beforeEach(() => {
  bound.clear();
  counters = new Counters();
  said = [];
  const known = {
    installation: 'here',
    hasVolume: (handle: string) => bound.has(handle),
    claim: () => Promise.resolve(undefined),
  };
  const garbage = {
    ...createParts(cluster),
    longWork: cluster.rbd,
    now: () => new Date(Date.parse(NOW) + 86_400_000),
    foreignImages: new ForeignImages(),
    askVolumes: () => Promise.resolve(known),
    askContents: () => Promise.resolve(undefined),
  };
  const announce = (note: Note) => void said.push(note);
  round = new GarbageRound({ garbage, announce, counters, log: createLog('silent') });
});

it('says how many there are of each kind beside the driver’s own object, and removes none', async () => {
  const { volume } = await make('here');
  await round.round(never);
  expect(await counters.text()).toContain('berth_garbage{kind="volume"} 1\n');
  const message = expect.stringContaining('1 volume; `berth garbage` lists them') as string;
  expect(said).toEqual([{ kind: 'Warning', reason: 'Garbage', message, about: { driver: true } }]);
  expect(cluster.image('berth-pvc-1')).toBeDefined();
  bound.add(volume);
  await round.round(never);
  expect(await counters.text()).not.toContain('berth_garbage{');
  expect(said).toHaveLength(1);
});

it('what has no time of its own counts only where two rounds have seen it', async () => {
  const { rbd } = cluster;
  const cutShort = [{ name: 'berth-pvc-1', id: '1a' }];
  rbd.interruptedRemovals = () => Promise.resolve(cutShort);
  await round.round(never);
  expect(said).toEqual([]);
  await round.round(never);
  expect(said).toHaveLength(1);
});

it('a round that is stopped says nothing of what it has not seen', async () => {
  await make('here');
  await round.round(never);
  await round.round(() => true);
  expect(await counters.text()).toContain('berth_garbage{kind="volume"} 1\n');
});

it('what may be another installation’s alarms nobody', async () => {
  await make('');
  expect((await round.round(never)).found).toHaveLength(1);
  expect([said, (await counters.text()).includes('berth_garbage{')]).toEqual([[], false]);
});
