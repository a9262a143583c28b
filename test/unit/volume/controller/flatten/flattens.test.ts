/** When volumes on long chains are made to stand alone, and which creates wait for it. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { berthError } from '../../../../../src/model/errors.js';
import { Counters } from '../../../../../src/observe/metrics.js';
import { GentleSlices } from '../../../../../src/volume/controller/delete/gentle-slices.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { CHAIN_LIMITS, countParents } from '../../../../../src/volume/controller/flatten/chain-depth.js';
import { enlist, readList } from '../../../../../src/volume/controller/flatten/flatten-list.js';
import { Flattens, FLATTENS_METRIC } from '../../../../../src/volume/controller/flatten/flattens.js';
import { creation, memoryCluster, place, soon } from '../memory-cluster.js';
import { replacing } from '../snapshot/replacing.js';
import { createParts, log } from '../use-case-parts.js';
import { longChain } from './long-chain.js';
import { counted } from '../../../../fakes/counted.js';

const { toFlatten: DEPTH_TO_FLATTEN, most: MOST_DEPTH } = CHAIN_LIMITS;
const cluster = memoryCluster();
let counters: Counters;
let freed: string[];
let flattens: Flattens;

const controller = (longWork = cluster.rbd): Flattens =>
  new Flattens({
    ...{ rbd: cluster.rbd, longWork, clusters: cluster.clusters, counters, log, by: 'one' },
    ...{
      now: () => new Date(),
      slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
      entered: () => undefined,
      limits: CHAIN_LIMITS,
    },
    parentFree: (_, imageId) => void freed.push(imageId),
  });
beforeEach(() => {
  counters = new Counters();
  freed = [];
  flattens = controller();
});
afterEach(() => flattens.stop());

const copy = (of: string, name = 'copy') =>
  createVolume(
    { ...createParts(cluster), flattens },
    { ...creation(name), range: undefined, source: { kind: 'volume', id: of } },
    soon(),
  );
const listed = async () => readList(cluster.rbd, await cluster.clusters.registry('c1', 'controller', soon()), soon());
const depthOf = (name: string) => countParents(cluster, place(), cluster.image(name)!.id, soon());
const copies = (): number => cluster.rbd.calls.filter(({ operation }) => operation === 'copyUp').length;
const ended = (what: string) => expect.poll(() => counted(counters, FLATTENS_METRIC, { what }), { timeout: 20_000 });

it('CreateVolume of one on a long chain is answered at once, and the volume stands alone some time later', async () => {
  const { last } = await longChain(cluster, DEPTH_TO_FLATTEN - 1);
  const answer = copy(last.volume);
  await answer;
  expect(copies()).toBe(0);
  expect(await listed()).toHaveLength(1);
  await ended('flat').toBe(1);
  expect(await depthOf('berth-copy')).toBe(0);
  expect(await listed()).toEqual([]);
  expect(freed).toEqual([last.imageId]);
});

it('one on a shorter chain is on no list, and costs nothing but the look', async () => {
  const { last } = await longChain(cluster, DEPTH_TO_FLATTEN - 2);
  await copy(last.volume);
  expect(await listed()).toEqual([]);
  expect(await depthOf('berth-copy')).toBe(DEPTH_TO_FLATTEN - 1);
});

it('CreateVolume of one on too long a chain is answered when it stands alone, without an error', async () => {
  const { last } = await longChain(cluster, MOST_DEPTH);
  expect(await copy(last.volume)).toMatchObject({ volume: 'c1/rbd/berth-copy' });
  expect(await depthOf('berth-copy')).toBe(0);
});

it('what does not come to that in time is told how far it is, and answered when it is asked for again', async () => {
  const { last } = await longChain(cluster, MOST_DEPTH);
  cluster.rbd.failNext('copyUp', () => berthError('BERTH_DEADLINE', { what: 'copy', ms: 0 }));
  const early = copy(last.volume);
  await expect(early).rejects.toThrow(/BERTH_COPY_FLATTENING: volume c1\/rbd\/berth-copy stands on 13 images/);
  expect(await depthOf('berth-copy')).toBe(MOST_DEPTH + 1);
  await flattens.stop();
  flattens = controller();
  expect(await copy(last.volume)).toMatchObject({ volume: 'c1/rbd/berth-copy' });
  expect(await depthOf('berth-copy')).toBe(0);
});

it('a volume that somebody has by now, or that has snapshots, is answered as it is', async () => {
  const { last, images } = await longChain(cluster, MOST_DEPTH + 1);
  images.at(-1)!.snapshots.push('by hand');
  const name = last.volume.replace('c1/rbd/berth-', '');
  const from = name.replace(/\d+$/, (n) => String(Number(n) - 1));
  expect(await copy(`c1/rbd/berth-${from}`, name)).toMatchObject({ volume: last.volume });
  expect(images.at(-1)!.standsOn).toBeDefined();
});

it('a controller that starts finds what an earlier one left, where its clusters file lists the place', async () => {
  const { last, images } = await longChain(cluster, DEPTH_TO_FLATTEN);
  const registry = await cluster.clusters.registry('c1', 'controller', soon());
  await enlist(cluster.rbd, registry, { ...last, pool: 'foreign' }, new Date(), soon());
  await flattens.round();
  await ended('flat').toBe(1);
  expect(images.at(-1)!.standsOn).toBeUndefined();
  expect(await listed()).toMatchObject([{ pool: 'foreign' }]);
  expect(await counters.text()).toContain('berth_flattens_total{what="flat"} 1');
});

it('metrics say what the volumes wait for that do not stand alone yet', async () => {
  const { images } = await longChain(cluster, DEPTH_TO_FLATTEN);
  images.at(-1)!.watchers.push({ address: '10.0.0.9:0/1', client: 1n });
  await flattens.round();
  await ended('open').toBe(1);
  await expect.poll(() => counters.text()).toContain('berth_flattens_waiting{state="open"} 1');
});

it('a cluster that does not answer keeps no volume of another one waiting', async () => {
  const text = await readFile(cluster.clustersFile, 'utf8');
  await writeFile(cluster.clustersFile, text + text.replace('clusters:\n', '').replace('c1', 'silent'));
  const [{ last: silent }, { last }] = [
    await longChain(cluster, DEPTH_TO_FLATTEN),
    await longChain(cluster, DEPTH_TO_FLATTEN),
  ];
  let end: (nothing: undefined) => void = () => undefined;
  const hangs = new Promise<undefined>((resolve) => (end = resolve));
  const longWork = replacing(cluster.rbd, {
    copyUp: (at, ...given) => (at.access.cluster === 'silent' ? hangs : cluster.rbd.copyUp(at, ...given)),
  });
  flattens = controller(longWork);
  flattens.begin('silent', silent, undefined);
  flattens.begin('c1', last, undefined);
  await ended('flat')
    .toBe(1)
    .finally(() => end(undefined));
});

it('a volume that a create did not wait for in the end is given its data at leisure', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  try {
    const { last, images } = await longChain(cluster, DEPTH_TO_FLATTEN);
    const slices: number[] = [];
    const longWork = replacing(cluster.rbd, {
      copyUp: (...given) => {
        slices.push(given[4]);
        return cluster.rbd.copyUp(...given);
      },
    });
    flattens = controller(longWork);
    images.at(-1)!.snapshots.push('by hand');
    expect(await flattens.hurry('c1', last, undefined, soon())).toBeUndefined();
    images.at(-1)!.snapshots.pop();
    await vi.advanceTimersByTimeAsync(1_800_000);
    await ended('flat').toBe(1);
    expect(slices[0]).toBe(1_000);
    for (const ms of slices.slice(1)) expect(ms).toBeLessThan(1_000);
  } finally {
    vi.useRealTimers();
  }
});

it('what a volume stood on stands alone next, also where it was looked at before', async () => {
  const { last, images } = await longChain(cluster, DEPTH_TO_FLATTEN + 1);
  const volume = last.volume.replace(/\d+$/, String(DEPTH_TO_FLATTEN));
  flattens.begin('c1', { ...last, imageId: images.at(-2)!.id, volume }, undefined);
  await ended('snapshots').toBe(1);
  flattens.begin('c1', last, undefined);
  await ended('flat').toBe(2);
  expect(images.at(-2)!.standsOn).toBeUndefined();
});

it('a librbd that overlooks data of parents flattens nothing, says so once, and holds up no create', async () => {
  const warn = vi.spyOn(log, 'warn');
  const longWork = replacing(cluster.rbd, { parentExtents: () => Promise.resolve({ obstacle: 'old client' }) });
  flattens = controller(longWork);
  const { last } = await longChain(cluster, MOST_DEPTH + 1);
  const before = await listed();
  for (const name of ['copy', 'other']) await copy(last.volume, name);
  expect(copies()).toBe(0);
  expect(await listed()).toHaveLength(before.length + 2);
  expect(await depthOf('berth-other')).toBe(MOST_DEPTH + 2);
  expect(await counted(counters, FLATTENS_METRIC, { what: 'old client' })).toBe(2);
  expect(warn.mock.calls.filter(([, text]) => text?.includes('newer Ceph'))).toHaveLength(1);
  warn.mockRestore();
});

it.each(['parentExtents', 'copyUp'] as const)(
  '%s finds something that is not there: a volume that stands on a snapshot still is not cut from it',
  async (operation) => {
    flattens = controller(replacing(cluster.rbd, { [operation]: () => Promise.resolve(undefined) }));
    const { last, images } = await longChain(cluster, DEPTH_TO_FLATTEN + 1);
    flattens.begin('c1', last, undefined);
    await ended('failed').toBe(1);
    expect(images.at(-1)!.standsOn).toBeDefined();
    expect(await listed()).toContainEqual(expect.objectContaining({ imageId: last.imageId }));
  },
);
