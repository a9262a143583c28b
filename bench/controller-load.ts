/**
 * The whole controller process, as the image starts it, on a real cluster and with the API's stand-in over HTTP: what
 * it weighs, and for how long its event loop has no turn while it lists, compares and serves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HOLDER_KEY } from '../src/attachment/holder-record.js';
import { NodeRegistry } from '../src/attachment/node-registry.js';
import { Deadline } from '../src/model/deadline.js';
import { workThrough } from '../src/model/settle-all.js';
import { createLog } from '../src/observe/log.js';
import type { PoolRef } from '../src/rbd/port.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { DEFAULT_FEATURES } from '../src/volume/image/image-features.js';
import { VOLUME_KEY } from '../src/volume/image/volume-record.js';
import { ApiServer } from '../test/kube/api-server.js';
import { persistentVolume, volumeAttachment } from '../test/kube/large-cluster.js';
import { clustersOver, create, type BenchCluster, type Running } from './bench-cluster.js';
import { figure, mib, ms, print, times } from './figures.js';
import { residentKiB } from './process-size.js';
import { logged, startWatched } from './watched-driver.js';

const OURS = 'rbd.csi.berth.dev';
const OTHER = 'ebs.csi.example.com';
const NODES = 2_000;
/** Of so many PersistentVolumes one is ours. */
const EVERY = 5;
/** Real images; each stands for several volumes of the API, so that a look at any of them is a look at the cluster. */
const IMAGES = 1_000;
const NODE = 'bench-node';
const NAMESPACE = 'full';
/** So many calls a second, for so long, ms. */
const CALLS = 50;
const SERVE_MS = 20_000;
const capability = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
const long = (): Deadline => Deadline.after(600_000);

const imageOf = (index: number): string => `berth-held-${String(Math.floor(index / EVERY) % IMAGES).padStart(5, '0')}`;
const nodeOf = (index: number): string => `worker-${index % NODES}`;

/** @param sizes how many PersistentVolumes, each with an attachment, one after the other */
export async function controllerLoad(site: BenchCluster, sizes: readonly [number, number]): Promise<void> {
  print('\nThe whole controller process (the flags of the image; API stand-in over HTTP, objects of real size)');
  await prepare(site, sizes[1]);
  const [small, large] = [await loaded(site, sizes[0]), await loaded(site, sizes[1])];
  for (const [count, one] of [[sizes[0], small] as const, [sizes[1], large] as const]) {
    const bound = count === sizes[0] ? 200 : 320;
    const goal = { text: `at most ${bound}`, met: one.peak <= bound * 1024 };
    figure(`${count} PVs (${count / EVERY} ours) with attachments: driver's highest`, mib(one.peak), goal);
    figure('  with its librbd worker, at the end', mib(one.both));
    for (const [what, block] of Object.entries(one.blocks))
      figure(`  longest block while ${what}`, ms(block), { text: 'at most 50', met: block <= 50 });
    figure('  calls served a second beside 50 changes of the API', one.served.toFixed(0));
  }
  const ratio = large.peak / small.peak;
  figure('twice as many: highest resident', times(ratio), { text: 'at most 1.60', met: ratio <= 1.6 });
}

/** The images that the attachments are for, with their holders, and a node that calls may name. */
async function prepare(site: BenchCluster, count: number): Promise<void> {
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const clusters = clustersOver(site.clustersFile, rbd);
    const at = await clusters.pool({ cluster: 'dev', pool: 'hyper', namespace: NAMESPACE }, 'controller', undefined);
    const holders = new Map<string, string[]>();
    for (let index = 0; index < count; index += EVERY) {
      const image = imageOf(index);
      holders.set(image, [...(holders.get(image) ?? []), nodeOf(index)]);
    }
    await workThrough(holders, 16, ([image, nodes]) => hold(rbd, at, image, [...new Set(nodes)]));
    const registry = await clusters.registry('dev', 'controller', long());
    const seen = new Date().toISOString();
    const about = { version: 1, bootId: 'boot', driver: '0', mappers: ['krbd'], seen } as const;
    await new NodeRegistry(rbd).register(registry, { ...about, node: NODE, installation: INSTALLATION }, long());
  } finally {
    await rbd.close();
  }
}

/** What the stand-in's kube-system has for its uid. */
const INSTALLATION = 'uid-of-kube-system';

async function hold(rbd: ReturnType<typeof createLibrbd>, at: PoolRef, image: string, nodes: readonly string[]) {
  const since = '2026-10-01T08:16:00Z';
  const holders = nodes.map((node) => ({ node, since, by: 'controller', installation: INSTALLATION }));
  const record = { version: 1, mode: 'MULTI_NODE_READER_ONLY', access: 'mount', readOnly: true, holders };
  const volume = { version: 1, name: image, created: since, shape: {}, installation: INSTALLATION };
  const metadata = new Map([
    [VOLUME_KEY, JSON.stringify(volume)],
    [HOLDER_KEY, JSON.stringify(record)],
  ]);
  const size = { sizeBytes: 2n ** 30n, objectSizeBytes: undefined, stripeUnitBytes: undefined };
  const spec = { ...size, features: DEFAULT_FEATURES, stripeCount: undefined, dataPool: undefined, metadata };
  await rbd.createImage({ ...at, image }, spec, long());
}

interface Load {
  /** KiB. */
  readonly peak: number;
  readonly both: number;
  readonly blocks: Readonly<Record<string, number>>;
  readonly served: number;
}

async function loaded(site: BenchCluster, count: number): Promise<Load> {
  const server = new ApiServer();
  await server.start();
  const name = `scale-${count}`;
  serve(server, count);
  const { running, watched } = await startWatched(site, name, server, ['--node-lost-after', '86400']);
  try {
    await watched();
    await logged(running, 'attachments compared');
    const comparing = await watched();
    const served = await serveCalls(running, server);
    const serving = await watched();
    const { driver, worker } = await residentKiB(running.driver.pid);
    const blocks = { 'listing and comparing': comparing.longestBlock, serving: serving.longestBlock };
    return { peak: serving.peak, both: driver + worker, blocks, served };
  } finally {
    running.client.close();
    await running.driver.stop();
    await server.stop();
  }
}

function serve(server: ApiServer, count: number): void {
  const driverOf = (index: number): string => (index % EVERY === 0 ? OURS : OTHER);
  const handle = (index: number): string => `dev/hyper/${NAMESPACE}/${imageOf(index)}`;
  const pv = (index: number) => persistentVolume(index, driverOf(index), handle(index));
  const va = (index: number) => volumeAttachment(index, driverOf(index), pv(index).metadata.name, nodeOf(index));
  server.generated.set('/api/v1/persistentvolumes', { count, make: pv });
  server.generated.set('/apis/storage.k8s.io/v1/volumeattachments', { count, make: va });
}

/** Lives of volumes, a call of one of them every 20 ms, and as many changes of the API. Answers calls a second. */
async function serveCalls({ client }: Running, server: ApiServer): Promise<number> {
  const begun = performance.now();
  const lives: Promise<void>[] = [];
  let calls = 0;
  const life = async (name: string): Promise<void> => {
    const volumeId = `dev/hyper/${NAMESPACE}/berth-${name}`;
    const attachment = { volumeId, nodeId: NODE };
    await create(client, NAMESPACE, name);
    await client.attach({ ...attachment, volumeCapability: capability });
    await client.detach(attachment);
    await client.deleteVolume(volumeId);
    calls += 4;
  };
  for (let index = 0; performance.now() - begun < SERVE_MS; index += 1) {
    if (index % 4 === 0) lives.push(life(`life-${server.url.slice(-5)}-${index}`));
    const change = volumeAttachment(index % 1_000, index % EVERY === 0 ? OURS : OTHER, 'pv', nodeOf(index));
    server.put('/apis/storage.k8s.io/v1/volumeattachments', change);
    await sleep(1_000 / CALLS);
  }
  await Promise.all(lives);
  return calls / ((performance.now() - begun) / 1_000);
}
