/** What a DeleteVolume costs beside a CreateVolume, and what the purges behind it cost everybody else. */
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type BenchCluster, type Running } from './bench-cluster.js';
import { figure, median, ms, print, quantile, rate, times } from './figures.js';
import { atPace } from './pace.js';

/** How many objects a full image has, and of which size, in bytes: what a delete cost before was their number. */
const OBJECT_BYTES = 4096;

export interface DeleteScale {
  readonly rounds: number;
  readonly each: number;
  readonly fullImages: number;
  readonly objects: number;
  readonly attaches: number;
}

const NAMESPACE = 'purge';
const capability = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
const handle = (name: string): string => `dev/hyper/${NAMESPACE}/berth-${name}`;

export async function deleteCost(site: BenchCluster, scale: DeleteScale): Promise<void> {
  const node = 'purge-node';
  const running = await site.startDriver(node, { services: ['identity', 'controller', 'node'] });
  try {
    await deleteRate(running, scale);
    await fullAgainstEmpty(site, running, scale);
    await besidePurges(site, running, node, scale);
  } finally {
    running.client.close();
    await running.driver.stop();
  }
}

async function deleteRate({ client }: Running, { rounds, each }: DeleteScale): Promise<void> {
  print('\nDeleteVolume against CreateVolume, 8 calls at a time (rounds in turn)');
  const [creates, deletes, ratios]: number[][] = [[], [], []];
  for (let round = 0; round < rounds; round += 1) {
    const name = (i: number): string => `rate-${round}-${i}`;
    const made = await atPace(each, 8, (i) => create(client, NAMESPACE, name(i)));
    const gone = await atPace(each, 8, (i) => client.deleteVolume(handle(name(i))));
    creates?.push(made.perSecond);
    deletes?.push(gone.perSecond);
    ratios?.push(gone.perSecond / made.perSecond);
  }
  figure('CreateVolume', rate(median(creates ?? [])));
  figure('DeleteVolume', rate(median(deletes ?? [])));
  const ratio = median(ratios ?? []);
  figure('ratio', times(ratio), { text: 'at least 0.70', met: ratio >= 0.7 });
}

/** An image of which every object is written. */
async function createFull(site: BenchCluster, { client }: Running, name: string, objects: number): Promise<void> {
  await client.createVolume({
    name,
    capacityRange: { requiredBytes: objects * OBJECT_BYTES },
    volumeCapabilities: [capability],
    parameters: { clusterID: 'dev', pool: 'hyper', radosNamespace: NAMESPACE, objectSize: String(OBJECT_BYTES) },
  });
  const total = String(objects * OBJECT_BYTES);
  const size = String(OBJECT_BYTES);
  const image = `hyper/${NAMESPACE}/berth-${name}`;
  await site.rbd(['bench', '--io-type', 'write', '--io-size', size, '--io-total', total, '--io-threads', '32', image]);
}

async function purged(site: BenchCluster): Promise<void> {
  while ((await site.rbd(['ls', `hyper/${NAMESPACE}`])).includes('berth-deleted-')) await sleep(200);
}

async function fullAgainstEmpty(site: BenchCluster, running: Running, scale: DeleteScale): Promise<void> {
  const count = Math.max(3, Math.floor(scale.fullImages / 3));
  print(`\nDeleteVolume of an image of ${scale.objects} objects, and of an empty one (in turn, one at a time)`);
  const { client } = running;
  const [full, empty]: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i += 1) {
    await createFull(site, running, `full-${i}`, scale.objects);
    await create(client, NAMESPACE, `empty-${i}`);
    await purged(site);
    full.push(...(await atPace(1, 1, () => client.deleteVolume(handle(`full-${i}`)))).eachMs);
    await purged(site);
    empty.push(...(await atPace(1, 1, () => client.deleteVolume(handle(`empty-${i}`)))).eachMs);
  }
  figure('empty: median', ms(median(empty)));
  figure('full: median', ms(median(full)));
  const ratio = median(full) / median(empty);
  figure('ratio of the medians', times(ratio), { text: 'at most 1.20', met: ratio <= 1.2 });
}

async function besidePurges(site: BenchCluster, running: Running, node: string, scale: DeleteScale): Promise<void> {
  const { fullImages, objects, attaches } = scale;
  print(`\nCreateVolume and attach beside ${fullImages} deletes of ${objects} objects each, and beside none`);
  const { client } = running;
  for (let i = 0; i < fullImages; i += 1) await createFull(site, running, `many-${i}`, objects);
  await create(client, NAMESPACE, 'attached');
  const volumeId = handle('attached');
  let serial = 0;
  const lives = async (count: number): Promise<{ readonly created: number[]; readonly attached: number[] }> => {
    const [created, attached]: [number[], number[]] = [[], []];
    for (let i = 0; i < count; i += 1) {
      const name = `beside-${serial++}`;
      created.push(...(await atPace(1, 1, () => create(client, NAMESPACE, name))).eachMs);
      const attach = { volumeId, nodeId: node, volumeCapability: capability };
      attached.push(...(await atPace(1, 1, () => client.attach(attach))).eachMs);
      await client.detach({ volumeId, nodeId: node });
    }
    return { created, attached };
  };
  await lives(attaches / 4);
  const quiet = await lives(attaches);
  await Promise.all(Array.from({ length: fullImages }, (_, i) => client.deleteVolume(handle(`many-${i}`))));
  const busy = await lives(attaches);
  await purged(site);
  compare('CreateVolume', quiet.created, busy.created, 0.5, 1.3);
  compare('attach', quiet.attached, busy.attached, 0.5, 1.3);
  compare('attach', quiet.attached, busy.attached, 0.99, 1.5);
}

function compare(what: string, quiet: readonly number[], busy: readonly number[], p: number, bound: number): void {
  const [alone, beside] = [quantile(quiet, p), quantile(busy, p)];
  const ratio = beside / alone;
  const goal = { text: `at most ${bound.toFixed(2)}`, met: ratio <= bound };
  figure(`${what}, ${p * 100} %: alone, beside`, `${ms(alone)}, ${ms(beside)}`);
  figure(`${what}, ${p * 100} %: ratio`, times(ratio), goal);
}
