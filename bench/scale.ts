/** `npm run bench -- --scale`: what a large cluster costs a controller, as far as a machine of two cores can show. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { Installation } from '../src/attachment/node-identity.js';
import type { ApiAttachment } from '../src/kube/volume-attachments.js';
import { Deadline } from '../src/model/deadline.js';
import { packageRoot } from '../src/model/package-root.js';
import { workThrough } from '../src/model/settle-all.js';
import { createLog } from '../src/observe/log.js';
import type { PoolRef } from '../src/rbd/port.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { Clusters } from '../src/rbd/clusters.js';
import { AttachmentReconciler, type AttachmentParts } from '../src/reconcile/attachment-reconciler.js';
import { ForeignImages } from '../src/volume/controller/list/foreign-images.js';
import { listVolumes } from '../src/volume/controller/list/list-volumes.js';
import { ApiServer } from '../test/kube/api-server.js';
import { persistentVolume, volumeAttachment } from '../test/kube/large-cluster.js';
import type { MirrorMemory } from '../test/kube/mirror-memory.js';
import type { BenchCluster } from './bench-cluster.js';
import { watchTurns } from './longest-turn.js';
import { figure, mib, ms, print, rate, times } from './figures.js';

const OURS = 'rbd.csi.berth.dev';
const NODES = 2_000;
/** As the image has it: with these flags, and no more heap. */
const FLAGS = ['--expose-gc', '--max-semi-space-size=2', '--max-old-space-size=96'];
const long = (): Deadline => Deadline.after(600_000);

/** Without a cluster: the API's stand-in over HTTP, and a mirror of it in a process of its own. */
export async function controllerCost(): Promise<void> {
  print(
    '\nA controller and the Kubernetes API (stand-in over HTTP, objects of real size; the mirror has its own process)',
  );
  const small = await mirrored(50_000, 5);
  const large = await mirrored(100_000, 5);
  const own = await mirrored(50_000, 1);
  told('50,000 PVs (10,000 ours) with attachments', small);
  told('100,000 PVs (20,000 ours) with attachments', large);
  told('50,000 PVs with attachments, all ours', own);
  const ratio = large.peak / small.peak;
  figure('100,000 against 50,000: highest resident', times(ratio), { text: 'at most 1.60', met: ratio <= 1.6 });
  print('\nThe comparison of attachments (images in memory, each answer a turn of the event loop)');
  await rounds(1_000);
  const few = await inTurn(50, () => rounds(1_000));
  const many = await rounds(50_000);
  figure('1,000, fifty times: an attachment', `${(few * 1000).toFixed(1)} µs`);
  figure('50,000: an attachment', `${(many.each * 1000).toFixed(1)} µs`);
  const linear = many.each / few;
  figure('ratio', times(linear), { text: 'at most 1.20', met: linear <= 1.2 });
  const block = many.longestBlock;
  figure('50,000: longest block of the event loop, processor time', ms(block), {
    text: 'at most 50',
    met: block <= 50,
  });
}

function told(what: string, { peak, before, after, longestBlock }: MirrorMemory): void {
  figure(`${what}: highest resident`, mib(peak / 1024), { text: 'at most 200', met: peak <= 200 * 1024 * 1024 });
  figure('  retained heap; longest block, processor time', `${mib((after - before) / 1024)}; ${ms(longestBlock)}`);
}

/** @param every of so many volumes one is ours */
async function mirrored(count: number, every: number): Promise<MirrorMemory> {
  const server = new ApiServer();
  await server.start();
  try {
    const driverOf = (index: number): string => (index % every === 0 ? OURS : 'ebs.csi.example.com');
    const handle = (index: number): string => `ceph-1/kube/csi-vol-${String(index).padStart(40, '0')}`;
    const pv = (index: number) => persistentVolume(index, driverOf(index), handle(index));
    const va = (index: number) =>
      volumeAttachment(index, driverOf(index), pv(index).metadata.name, `worker-${index % NODES}`);
    server.generated.set('/api/v1/persistentvolumes', { count, make: pv });
    server.generated.set('/apis/storage.k8s.io/v1/volumeattachments', { count, make: va });
    const program = path.join(packageRoot(), 'dist/test/kube/mirror-memory.js');
    const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, program, server.url, OURS]);
    return JSON.parse(stdout) as MirrorMemory;
  } finally {
    await server.stop();
  }
}

/** The mean of an attachment, in ms. */
async function inTurn(times: number, round: () => Promise<{ readonly each: number }>): Promise<number> {
  let sum = 0;
  for (let index = 0; index < times; index += 1) sum += (await round()).each;
  return sum / times;
}

/** One round over so many attachments, all of them well. */
async function rounds(count: number): Promise<{ readonly each: number; readonly longestBlock: number }> {
  const all = Array.from({ length: count }, (_, index) => attachment(index));
  const api = {
    driver: OURS,
    isFresh: () => Promise.resolve(true),
    all: () => all,
    list: () => Promise.resolve(all),
    volumeNamed: () => undefined,
  } as unknown as AttachmentParts['api'];
  const holdersOf = (volume: string) => {
    const node = `worker-${Number(volume.split('-')[1]) % NODES}`;
    return [{ node, since: '2026-01-01T00:00:00Z', by: 'controller' as const }];
  };
  const ceph: AttachmentParts['ceph'] = {
    listHolders: () =>
      Promise.resolve(all.map(({ inlineHandle = '', node }) => ({ volume: inlineHandle, nodes: [node] }))),
    readHolders: async (volume) => {
      await new Promise(setImmediate);
      return { holders: holdersOf(volume), elsewhere: [], mode: undefined, watchers: undefined, locks: undefined };
    },
  };
  const parts = { api, ceph, detach: () => Promise.resolve(), announce: () => undefined, log: createLog('silent') };
  const one = new AttachmentReconciler({ ...parts, now: () => new Date() }, { everyMs: 1e9, ageMs: 60_000 });
  const longestTurn = watchTurns();
  const begun = performance.now();
  await one.round();
  const took = performance.now() - begun;
  return { each: took / count, longestBlock: longestTurn() };
}

const attachment = (index: number): ApiAttachment => ({
  ...{ name: `va-${index}`, uid: `uid-${index}`, resourceVersion: '1', node: `worker-${index % NODES}` },
  ...{ nodeId: undefined, pv: undefined, inlineHandle: `c1/rbd/v-${index}`, attached: true, grant: undefined },
  ...{ since: '2026-01-01T00:00:00Z', deletingSince: undefined, finalizers: [], error: undefined },
});

/** ListVolumes over so many images of a bare pool that are there, against the same reads without it. */
export async function listCost(site: BenchCluster, images: number): Promise<void> {
  print(`\nListVolumes over ${images} images, against the bare walk of directory and headers through the same binding`);
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const clusters = new Clusters(site.clustersFile);
    const place = await clusters.pool({ cluster: 'dev', pool: 'hyper', namespace: 'full' }, 'controller', undefined);
    const walk = async (): Promise<number> => {
      const begun = performance.now();
      await bareWalk(rbd, place);
      return performance.now() - begun;
    };
    const parts = {
      rbd,
      clusters: { pools: () => Promise.resolve([place]) },
      installation: new Installation(),
      log: createLog('silent'),
    };
    const list = async (foreignImages: ForeignImages): Promise<number> => {
      const begun = performance.now();
      let startingToken = '';
      do {
        const page = await listVolumes({ ...parts, foreignImages }, { maxEntries: 0, startingToken }, long());
        startingToken = page.nextToken;
      } while (startingToken !== '');
      return performance.now() - begun;
    };
    await walk();
    const bare = await walk();
    const ours = await list(new ForeignImages());
    figure('bare walk', rate((images * 1000) / bare));
    figure('ListVolumes', rate((images * 1000) / ours));
    figure('time against the bare walk', times(ours / bare), { text: 'at most 1.30', met: ours / bare <= 1.3 });
    let now = 0;
    const known = new ForeignImages(() => now);
    // A foreign image is remembered once it was read twice, two minutes apart.
    for (now = 0; now < 240_000; now += 120_000) await list(known);
    figure('ListVolumes, all of them foreign and known', rate((images * 1000) / (await list(known))));
  } finally {
    await rbd.close();
  }
}

async function bareWalk(rbd: ReturnType<typeof createLibrbd>, place: PoolRef): Promise<void> {
  for (let after = ''; ; ) {
    const names = await rbd.list(place, after, 1_000, long());
    await workThrough(names, 16, async ({ id }) => {
      await rbd.headById(place, id, long());
    });
    const last = names.at(-1);
    if (last === undefined || names.length < 1_000) return;
    after = last.name;
  }
}
