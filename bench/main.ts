/**
 * `npm run bench`: the figures that the project promises, measured in one run against bare librbd on the same cluster.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { blockStreams } from './block-streams.js';
import { deleteCost } from './delete-cost.js';
import { binaryCost, mountCost } from './flexvolume.js';
import { figure, median, mib, ms, print, quantile, rate, times } from './figures.js';
import { controllerLoad } from './controller-load.js';
import { copiesCost } from './copies-cost.js';
import { create, startBenchCluster, type BenchCluster, type Running } from './bench-cluster.js';
import type { LeanClient } from './lean-client.js';
import { countOperations } from './op-count.js';
import { nodeCost } from './node-cost.js';
import { atPace } from './pace.js';
import { pageCost } from './page-cost.js';
import { processorMs, residentKiB } from './process-size.js';
import { reconcileCost } from './reconcile.js';
import { idleLoad } from './idle-load.js';
import { controllerCost, listCost } from './scale.js';
import { storms } from './storms.js';
import { vmCost } from './vm/vm-cost.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    create: { type: 'boolean', default: false },
    node: { type: 'boolean', default: false },
    flexvolume: { type: 'boolean', default: false },
    delete: { type: 'boolean', default: false },
    blocks: { type: 'boolean', default: false },
    copies: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    storms: { type: 'boolean', default: false },
    vm: { type: 'boolean', default: false },
    // Of --vm: the processor's own virtualisation, and the StorageClass' mounter.
    kvm: { type: 'boolean', default: false },
    mapper: { type: 'string' },
    // Of --vm: how long each request waits for Ceph, ms; and variants of the direct disk instead of all ways.
    delay: { type: 'string', default: '0' },
    tune: { type: 'boolean', default: false },
  },
});
/**
 * Fewer rounds and images for a look; the promises are about the full run. Many short rounds: a noisy machine changes
 * its pace by the second.
 */
const SCALE = values.quick
  ? {
      images: 1_000,
      many: 1_000,
      rounds: 3,
      creates: 200,
      warm: 1_000,
      starts: 3,
      stages: 5,
      objects: [5_000, 10_000] as const,
      backlog: 500,
      lives: 50,
    }
  : {
      images: 10_000,
      many: 50_000,
      rounds: 11,
      creates: 250,
      warm: 3_000,
      starts: 7,
      stages: 25,
      objects: [50_000, 100_000] as const,
      backlog: 2_000,
      lives: 100,
    };
const DELETES = values.quick
  ? { rounds: 3, each: 150, fullImages: 9, objects: 1_024, attaches: 60 }
  : { rounds: 7, each: 250, fullImages: 20, objects: 4_096, attaches: 200 };

const PAGES = values.quick ? [2_000, 10_000] : [10_000, 50_000];
const VM = {
  rounds: values.quick ? 1 : 3,
  // Under emulation a statement takes some milliseconds of processor time.
  amounts: values.quick
    ? { seconds: 2, files: 200, queries: 150 }
    : { seconds: 4, files: 400, queries: values.kvm ? 6_000 : 300 },
  accelerator: values.kvm ? 'kvm' : 'tcg',
  mapper: values.mapper,
  delayMs: Number(values.delay),
  tune: values.tune,
} as const;

const COPIES = values.quick
  ? { copies: 5, images: 1_000, snapshots: 100 }
  : { copies: 15, images: 10_000, snapshots: 1_000 };

async function throughput(site: BenchCluster, { driver, client }: Running): Promise<void> {
  print('\nCreateVolume with metadata, against bare librbd create through the same binding (rounds in turn)');
  // A controller lives for weeks: what V8 spends on compiling in its first thousands of calls is not what is compared.
  await atPace(SCALE.warm, 32, (i) => create(client, 'c1', `warm-${i}`));
  const before = await processorMs(driver.pid);
  for (const concurrency of [8, 32] as const) {
    const ratios: number[] = [];
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < SCALE.rounds; round += 1) {
      const job = { namespace: `bare${concurrency}`, prefix: `r${round}-`, count: SCALE.creates, concurrency };
      bare.push((await site.bare(job)).perSecond);
      const namespace = `c${concurrency}` as const;
      ours.push(
        (await atPace(SCALE.creates, concurrency, (i) => create(client, namespace, `r${round}-${i}`))).perSecond,
      );
      ratios.push((ours.at(-1) ?? NaN) / (bare.at(-1) ?? NaN));
    }
    figure(`concurrency ${concurrency}: bare`, rate(median(bare)));
    figure(`concurrency ${concurrency}: CreateVolume`, rate(median(ours)));
    figure(`concurrency ${concurrency}: ratio`, times(median(ratios)), {
      text: 'at least 0.70',
      met: median(ratios) >= 0.7,
    });
  }
  const after = await processorMs(driver.pid);
  const each = (who: 'driver' | 'worker'): string =>
    ms((after[who] - before[who]) / (2 * SCALE.rounds * SCALE.creates));
  figure('processor time a create: driver + librbd worker', `${each('driver')} + ${each('worker')}`);
}

async function flatness(site: BenchCluster, client: LeanClient): Promise<void> {
  print(`\nCreateVolume, one at a time, beside ${SCALE.images} images and beside none (in turn)`);
  await site.bare({ namespace: 'full', prefix: 'fill-', count: SCALE.images, concurrency: 32 });
  const empty: number[] = [];
  const full: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    empty.push(...(await atPace(1, 1, () => create(client, 'empty', `flat-${i}`))).eachMs);
    full.push(...(await atPace(1, 1, () => create(client, 'full', `flat-${i}`))).eachMs);
  }
  figure('none: median (90 %)', `${ms(median(empty))} (${quantile(empty, 0.9).toFixed(1)})`);
  figure(`${SCALE.images}: median (90 %)`, `${ms(median(full))} (${quantile(full, 0.9).toFixed(1)})`);
  const ratio = median(full) / median(empty);
  figure('ratio of the medians', times(ratio), { text: 'at most 1.30', met: ratio <= 1.3 });
}

async function starts(site: BenchCluster): Promise<void> {
  print('\nStart and weight of a controller');
  const took: number[] = [];
  for (let i = 0; i < SCALE.starts; i += 1) {
    const begun = performance.now();
    const { driver, client } = await site.startDriver(`start-${i}`);
    took.push(performance.now() - begun);
    client.close();
    await driver.stop();
  }
  figure('start to the first Probe that says ready: median', ms(median(took)));
}

async function weight(site: BenchCluster): Promise<void> {
  const { driver, client } = await site.startDriver('weight');
  try {
    const idle = await residentKiB(driver.pid);
    figure('resident, idle: driver + librbd worker', `${mib(idle.driver)} + ${mib(idle.worker)}`);
    await atPace(1000, 8, (i) => create(client, 'memory', `weight-${i}`));
    const after = await residentKiB(driver.pid);
    figure('resident, after 1,000 creates', `${mib(after.driver)} + ${mib(after.worker)}`);
  } finally {
    client.close();
    await driver.stop();
  }
}

/** Rejects when the run is interrupted or its reader is gone, so that the site is cleared then as well. */
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => reject(new Error(signal)));
  process.stdout.once('error', reject);
});
interrupted.catch(() => undefined);

async function bench(): Promise<void> {
  const site = await startBenchCluster();
  try {
    await Promise.race([measure(site), interrupted]);
  } finally {
    await site.down();
  }
}

async function measure(site: BenchCluster): Promise<void> {
  print(
    `node ${process.version}, ${cpus().length} cores, load ${loadavg()
      .map((one) => one.toFixed(1))
      .join(' ')}; Ceph: one OSD on loopback`,
  );
  if (values.scale) {
    await controllerCost();
    await controllerLoad(site, SCALE.objects);
  }
  if (values.scale || values.storms) {
    await site.bare({ namespace: 'full', prefix: 'many-', count: SCALE.many, concurrency: 32 });
    if (values.scale) await listCost(site, SCALE.many);
    await storms(site, SCALE);
    await idleLoad(site);
    if (!values.scale) return;
    await deleteCost(site, DELETES);
    return nodeCost(site, SCALE.stages);
  }
  if (values.node) return nodeCost(site, SCALE.stages);
  if (values.flexvolume) return flexvolume(site);
  if (values.delete) return deleteCost(site, DELETES);
  if (values.blocks) return blockStreams(site);
  if (values.copies) return copiesCost(site, COPIES);
  if (values.page) return pageCost(site, PAGES);
  if (values.vm) return vmCost(site, VM);
  print('\nRound trips');
  const { create: ops } = await countOperations(site, 'create');
  figure('OSD operations per CreateVolume with metadata', ops.toFixed(1), { text: 'at most 10', met: ops <= 10 });
  const running = await site.startDriver('load');
  const { driver, client } = running;
  try {
    await throughput(site, running);
    if (values.create) return;
    await flatness(site, client);
  } finally {
    client.close();
    await driver.stop();
  }
  await starts(site);
  await weight(site);
  await deleteCost(site, DELETES);
  await blockStreams(site);
  await copiesCost(site, COPIES);
  await nodeCost(site, SCALE.stages);
  await reconcileCost();
  await flexvolume(site);
}

async function flexvolume(site: BenchCluster): Promise<void> {
  await binaryCost();
  await mountCost(site, SCALE.stages);
}

await bench();
