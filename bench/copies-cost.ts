/** What snapshots, restores and clones cost: OSD operations, and time against bare librbd. */
import { adminOf } from '../src/dev/ceph/admin.js';
import { layoutOf } from '../src/dev/ceph/layout.js';
import { ask, csiClient, type CsiClient } from '../src/dev/driver/csi-client.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { createLog } from '../src/observe/log.js';
import { Clusters } from '../src/rbd/clusters.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import type { PoolRef } from '../src/rbd/port.js';
import { MiB, type BenchCluster, type Namespace } from './bench-cluster.js';
import { figure, median, ms, print, times } from './figures.js';
import { countOperations } from './op-count.js';
import { atPace } from './pace.js';

export interface CopiesScale {
  readonly copies: number;
  readonly images: number;
  readonly snapshots: number;
}

const AT_ONCE = 32;
const capability = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' as const } };
/** As CreateVolume makes images where nothing else is asked for. */
const BARE = {
  features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
  ...{ objectSizeBytes: undefined, stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined },
};
const soon = (): Deadline => Deadline.after(120_000);

/** Of what a volume is a copy, by handles; null for an empty one. */
type Source =
  | { readonly snapshot: { readonly snapshotId: string } }
  | { readonly volume: { readonly volumeId: string } }
  | null;
type Rbd = ReturnType<typeof createLibrbd>;

/** The calls, over one connection each as a sidecar has, and bare librbd through the same binding. */
class Bench {
  readonly site: BenchCluster;
  readonly client: CsiClient;
  readonly rbd: Rbd;

  constructor(site: BenchCluster, client: CsiClient, rbd: Rbd) {
    this.site = site;
    this.client = client;
    this.rbd = rbd;
  }

  async volume(namespace: Namespace, name: string, volumeContentSource: Source = null): Promise<string> {
    const request = {
      ...{ name, capacityRange: { requiredBytes: 1024 * MiB }, volumeCapabilities: [capability] },
      parameters: { clusterID: 'dev', pool: 'hyper', radosNamespace: namespace },
      volumeContentSource,
    };
    await ask((done) => this.client.controller.CreateVolume(request, this.#patience(), done));
    return `dev/hyper/${namespace}/berth-${name}`;
  }

  async snapshot(name: string, sourceVolumeId: string): Promise<string> {
    const { snapshot } = await ask<{ snapshot: { snapshotId: string } | null }>((done) =>
      this.client.controller.CreateSnapshot({ name, sourceVolumeId }, this.#patience(), done as never),
    );
    return snapshot?.snapshotId ?? '';
  }

  place(namespace: Namespace): Promise<PoolRef> {
    const clusters = new Clusters(this.site.clustersFile);
    return clusters.pool({ cluster: 'dev', pool: 'hyper', namespace }, 'controller', undefined);
  }

  /** The work so many times, one after the other: the median, ms. */
  async each(count: number, work: (index: number) => Promise<unknown>): Promise<number> {
    const { eachMs } = await atPace(count, 1, async (index) => {
      await work(index);
    });
    return median(eachMs);
  }

  /** Decisions of the monitors so far, the cluster's own among them. */
  async commits(): Promise<number> {
    const admin = adminOf(run, layoutOf(this.site.cluster.directory));
    const { paxos } = JSON.parse(await admin.ceph(['tell', 'mon.a', 'perf', 'dump'], soon())) as {
      paxos: { commit: number };
    };
    return paxos.commit;
  }

  #patience(): { deadline: number } {
    return { deadline: Date.now() + 120_000 };
  }
}

export async function copiesCost(site: BenchCluster, scale: CopiesScale): Promise<void> {
  const running = await site.startDriver('copies');
  const client = csiClient(`unix://${running.socket}`);
  const rbd = createLibrbd({ log: createLog('silent') });
  const bench = new Bench(site, client, rbd);
  try {
    await operations(site);
    const one = await snapshots(bench, scale.copies);
    await manyAtOnce(bench, one);
    await copies(bench, scale.copies);
    await beside(bench, scale);
  } finally {
    await rbd.close();
    client.close();
    running.client.close();
    await running.driver.stop();
  }
}

async function operations(site: BenchCluster): Promise<void> {
  print('\nOSD operations of a call');
  const { snapshot, restore, clone } = await countOperations(site, 'all');
  for (const [what, count, most] of [
    ['CreateSnapshot', snapshot, 40],
    ['restore', restore, 60],
    ['clone', clone, 80],
  ] as const) {
    figure(what, count.toFixed(1), { text: `at most ${most}`, met: count <= most });
  }
}

/** @returns ms of one snapshot, the median */
async function snapshots(bench: Bench, count: number): Promise<number> {
  print(`\nCreateSnapshot, one at a time, against bare librbd through the same binding (medians of ${count})`);
  const place = await bench.place('c1');
  const source = await bench.volume('c1', 'source');
  const { id } = (await bench.rbd.head({ ...place, image: 'berth-source' }, soon())) ?? { id: '' };
  await bench.snapshot('warm', source);
  const bare = await bench.each(count, (i) => bench.rbd.cutById(place, id, `bare-${i}`, soon()));
  const before = await bench.commits();
  const ours = await bench.each(count, (i) => bench.snapshot(`one-${i}`, source));
  const commits = ((await bench.commits()) - before) / count;
  figure('bare', ms(bare));
  figure('CreateSnapshot', ms(ours));
  const ratio = ours / bare;
  figure('ratio (the monitors decide once in a second)', times(ratio), { text: 'at most 1.10', met: ratio <= 1.1 });
  figure("decisions of the monitors, the cluster's own among them", commits.toFixed(1));
  return ours;
}

async function manyAtOnce(bench: Bench, one: number): Promise<void> {
  print(`\n${AT_ONCE} snapshots of ${AT_ONCE} volumes at once, against one`);
  const sources = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => bench.volume('c32', `many-${i}`)));
  const took: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const begun = performance.now();
    await Promise.all(sources.map((source, i) => bench.snapshot(`many-${round}-${i}`, source)));
    took.push(performance.now() - begun);
  }
  const ratio = median(took) / one;
  figure('all of them', ms(median(took)));
  figure('ratio', times(ratio), { text: 'at most 2.00', met: ratio <= 2 });
}

async function copies(bench: Bench, count: number): Promise<void> {
  print(`\nRestore and clone, one at a time, against bare librbd (medians of ${count}, in turn)`);
  const place = await bench.place('c8');
  const source = await bench.volume('c8', 'source');
  const snapshotId = await bench.snapshot('cut', source);
  const from = { pool: 'hyper', namespace: 'c8', image: 'berth-source', snapshot: 'berth-snap-cut' };
  const bareClone = (i: number): Promise<unknown> =>
    bench.rbd.cloneImage({ ...place, image: `bare-${i}` }, from, BARE, soon());
  const restore = (i: number): Promise<unknown> => bench.volume('c8', `restored-${i}`, { snapshot: { snapshotId } });
  await bareClone(-1);
  await restore(-1);
  const [bareMs, ourMs]: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i += 1) {
    bareMs.push(await bench.each(1, () => bareClone(i)));
    ourMs.push(await bench.each(1, () => restore(i)));
  }
  const ratio = median(ourMs) / median(bareMs);
  figure('bare clone', ms(median(bareMs)));
  figure('restore', ms(median(ourMs)));
  figure('  ratio', times(ratio), { text: 'at most 1.50', met: ratio <= 1.5 });
  const clone = await bench.each(count, (i) => bench.volume('c8', `cloned-${i}`, { volume: { volumeId: source } }));
  figure('clone of a volume (a snapshot by the monitors among it)', ms(clone));
}

async function beside(bench: Bench, { copies: count, images, snapshots: cuts }: CopiesScale): Promise<void> {
  print(`\nThe same beside ${images} images and ${cuts} snapshots, and beside none (in turn)`);
  await bench.site.bare({ namespace: 'full', prefix: 'copies-', count: images, concurrency: 32 });
  const full = await bench.place('full');
  const { id } = (await bench.rbd.head({ ...full, image: 'copies-0' }, soon())) ?? { id: '' };
  await atPace(cuts, 64, async (i) => {
    const image = await bench.rbd.head({ ...full, image: `copies-${i % images}` }, soon());
    await bench.rbd.cutById(full, image?.id ?? id, `cut-${i}`, soon());
  });
  const sources = new Map<Namespace, string>();
  for (const namespace of ['empty', 'full'] as const) sources.set(namespace, await bench.volume(namespace, 'beside'));
  const took = { snapshot: new Map<Namespace, number[]>(), restore: new Map<Namespace, number[]>() };
  const timed = async <T>(of: Map<Namespace, number[]>, namespace: Namespace, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const done = await work();
    of.set(namespace, [...(of.get(namespace) ?? []), performance.now() - begun]);
    return done;
  };
  for (let i = 0; i < count; i += 1) {
    for (const namespace of ['empty', 'full'] as const) {
      const source = sources.get(namespace) ?? '';
      const snapshotId = await timed(took.snapshot, namespace, () => bench.snapshot(`${namespace}-${i}`, source));
      await timed(took.restore, namespace, () => bench.volume(namespace, `beside-${i}`, { snapshot: { snapshotId } }));
    }
  }
  for (const [what, of] of Object.entries(took)) {
    const [none, many] = [median(of.get('empty') ?? []), median(of.get('full') ?? [])];
    figure(`${what}: median beside none, beside all`, `${ms(none)}, ${ms(many)}`);
    figure('  ratio', times(many / none), { text: 'at most 1.20', met: many / none <= 1.2 });
  }
}
