/** Many calls at once: creates in a backlog, attaches of one volume, and a volume's life beside very many others. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeRegistry } from '../src/attachment/node-registry.js';
import { Deadline } from '../src/model/deadline.js';
import { createLog } from '../src/observe/log.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { clustersOver, create, type BenchCluster, type Namespace, type Running } from './bench-cluster.js';
import { figure, median, ms, print, quantile, rate, times } from './figures.js';
import { leanClient } from './lean-client.js';
import { atPace } from './pace.js';

/** How many nodes read one volume. */
const READERS = 200;
/** A driver takes 512 calls of one connection at a time. */
const CONNECTIONS = 5;
/** At a time; the last is all of the backlog at once. */
const WIDTHS = [8, 32, 256] as const;
const soon = (): Deadline => Deadline.after(60_000);
const handle = (namespace: Namespace, name: string): string => `dev/hyper/${namespace}/berth-${name}`;
const reader = { block: {}, accessMode: { mode: 'MULTI_NODE_READER_ONLY' } };
const writer = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
const nodeName = (index: number): string => `reader-${index}`;

/**
 * @param backlog creates of each width, in all
 * @param many images that are there, beside which a volume lives
 */
export async function storms(
  site: BenchCluster,
  { backlog, lives, many }: { readonly backlog: number; readonly lives: number; readonly many: number },
): Promise<void> {
  await registerReaders(site);
  const running = await site.startDriver('storms');
  try {
    await creates(running, backlog);
    await readers(running);
    await beside(running, many, lives);
  } finally {
    running.client.close();
    await running.driver.stop();
  }
}

async function registerReaders(site: BenchCluster): Promise<void> {
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const registry = await clustersOver(site.clustersFile, rbd).registry('dev', 'controller', soon());
    const nodes = new NodeRegistry(rbd);
    const about = { version: 1, bootId: 'boot', driver: '0', mappers: ['krbd'] } as const;
    const seen = new Date().toISOString();
    await atPace(READERS, 16, (index) => nodes.register(registry, { ...about, seen, node: nodeName(index) }, soon()));
  } finally {
    await rbd.close();
  }
}

/** Something is broken where a call is still refused then, ms: a slow machine makes a hundred a second. */
const PATIENCE_MS = 120_000;

/** As a sidecar does: what is refused is repeated, with pauses that grow. */
async function patiently(call: () => Promise<void>): Promise<void> {
  const patience = Deadline.after(PATIENCE_MS);
  for (let pause = 100; ; pause = Math.min(2 * pause, 5_000)) {
    try {
      await call();
      return;
    } catch (error) {
      if (patience.expired) throw error;
      await sleep(pause * (0.5 + Math.random()));
    }
  }
}

async function creates({ client, socket }: Running, backlog: number): Promise<void> {
  print(`\nCreateVolume with ${backlog} waiting`);
  await atPace(200, 8, (i) => create(client, 'c8', `storm-warm-${i}`));
  const clients = Array.from({ length: CONNECTIONS }, () => leanClient(socket));
  const speeds: number[] = [];
  for (const width of [...WIDTHS, backlog]) {
    const one = (index: number): Promise<void> => {
      const by = clients[index % CONNECTIONS] ?? client;
      return patiently(() => create(by, 'c8', `storm-${width}-${index}`));
    };
    const pace = await atPace(backlog, width, one);
    speeds.push(pace.perSecond);
    figure(`${width} at a time`, rate(pace.perSecond));
    figure('  99 % within', ms(quantile(pace.eachMs, 0.99)));
  }
  for (const one of clients) one.close();
  const ratio = Math.min(...speeds) / Math.max(...speeds);
  figure('the slowest against the best', times(ratio), { text: 'at least 0.70', met: ratio >= 0.7 });
}

async function readers({ client }: Running): Promise<void> {
  print(`\n${READERS} nodes attach one volume for reading`);
  await create(client, 'c8', 'read-by-all');
  const volumeId = handle('c8', 'read-by-all');
  const attach = (index: number): Promise<void> =>
    client.attach({ volumeId, nodeId: nodeName(index), volumeCapability: reader, readonly: true });
  const begun = performance.now();
  const { eachMs } = await atPace(READERS, READERS, attach);
  const took = performance.now() - begun;
  figure('all of them', ms(took), { text: 'at most 10,000', met: took <= 10_000 });
  figure('  the median, the last', `${ms(median(eachMs))}, ${ms(Math.max(...eachMs))}`);
}

/** By namespace, ms. */
type Times = Map<Namespace, number[]>;

/** One life beside the others in turn, so that both meet the same machine. */
async function beside({ client }: Running, images: number, lives: number): Promise<void> {
  print(`\nCreateVolume, attach and detach beside ${images} volumes, and beside none (in turn)`);
  const took = { create: new Map() as Times, attach: new Map() as Times, detach: new Map() as Times };
  const timed = async (of: Times, namespace: Namespace, call: () => Promise<void>): Promise<void> => {
    const begun = performance.now();
    await call();
    of.set(namespace, [...(of.get(namespace) ?? []), performance.now() - begun]);
  };
  for (let index = 0; index < lives; index += 1) {
    for (const namespace of ['empty', 'full'] as const) {
      const attachment = { volumeId: handle(namespace, `life-${index}`), nodeId: nodeName(0) };
      await timed(took.create, namespace, () => create(client, namespace, `life-${index}`));
      await timed(took.attach, namespace, () => client.attach({ ...attachment, volumeCapability: writer }));
      await timed(took.detach, namespace, () => client.detach(attachment));
    }
  }
  for (const [what, of] of Object.entries(took)) {
    const [alone, full] = [median(of.get('empty') ?? []), median(of.get('full') ?? [])];
    figure(`${what}: median beside none, beside ${images}`, `${ms(alone)}, ${ms(full)}`);
    figure('  ratio', times(full / alone), { text: 'at most 1.20', met: full / alone <= 1.2 });
  }
}
