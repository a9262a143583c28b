/**
 * What a large cluster costs Ceph while nothing happens: the registrations of 2,000 nodes, all by one session, and two
 * real controllers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Installation } from '../src/attachment/node-identity.js';
import { NodeRegistry } from '../src/attachment/node-registry.js';
import { adminOf } from '../src/dev/ceph/admin.js';
import { layoutOf } from '../src/dev/ceph/layout.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { createLog } from '../src/observe/log.js';
import type { Clusters } from '../src/rbd/clusters.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { RegistrationLoop } from '../src/volume/node/registration/registration-loop.js';
import { clustersOver, type BenchCluster } from './bench-cluster.js';
import { figure, print } from './figures.js';

const NODES = 2_000;
/** Nodes that were started at one time are apart by then; and for how long is counted, ms. */
const SETTLE_MS = 40_000;
const COUNT_MS = 40_000;

export async function idleLoad(site: BenchCluster): Promise<void> {
  print(`\nNothing happens on ${NODES} nodes (registrations over one session) and 2 controllers (real)`);
  const controllers = [await site.startDriver('idle-1'), await site.startDriver('idle-2')];
  const rbd = createLibrbd({ log: createLog('silent') });
  const written = new Map<string, number>();
  const setRecords: typeof rbd.setRecords = (at, object, ...rest) => {
    written.set(object, (written.get(object) ?? 0) + 1);
    return rbd.setRecords(at, object, ...rest);
  };
  const clusters = clustersOver(site.clustersFile, rbd);
  const counted = { ...rbd, setRecords };
  const loops = Array.from({ length: NODES }, (_, index) => loopOf(clusters, counted, `idle-node-${index}`));
  try {
    for (const loop of loops) {
      loop.start();
      await sleep(SETTLE_MS / 2 / NODES);
    }
    await sleep(SETTLE_MS);
    const begun = new Date();
    written.clear();
    await sleep(COUNT_MS);
    const seconds = COUNT_MS / 1000;
    const asked = await commandsSince(site, begun);
    const all = [...written.values()].reduce((sum, one) => sum + one, 0) / seconds;
    const most = Math.max(...written.values()) / seconds;
    figure('monitor commands a second', (asked / seconds).toFixed(2), { text: 'none', met: asked === 0 });
    figure('OSD writes a second', all.toFixed(1), { text: 'at most 70', met: all <= 70 });
    figure('  of the object that is written most', most.toFixed(1), { text: 'at most 5', met: most <= 5 });
  } finally {
    await Promise.all(loops.map((one) => one.stop()));
    await rbd.close();
    for (const { client, driver } of controllers) {
      client.close();
      await driver.stop();
    }
  }
}

function loopOf(clusters: Clusters, rbd: ReturnType<typeof createLibrbd>, node: string): RegistrationLoop {
  return new RegistrationLoop({
    self: { node, installation: '', machine: undefined },
    ...{ installation: new Installation(), bootId: 'boot', driver: '0', mappers: [], rbd, clusters },
    nodes: new NodeRegistry(rbd),
    clientsInUse: () => Promise.resolve([]),
    log: createLog('silent'),
    now: () => new Date(),
  });
}

/** Of Berth's users, by the monitors' own audit log, which keeps its last 10,000 lines. */
async function commandsSince({ cluster }: BenchCluster, begun: Date): Promise<number> {
  const audit = await adminOf(run, layoutOf(cluster.directory)).ceph(
    ['log', 'last', '10000', 'debug', 'audit'],
    Deadline.after(60_000),
  );
  const users = Object.values(cluster.users).map(({ id }) => `entity='client.${id}'`);
  const lines = audit.split('\n').filter((line) => line.slice(0, 23) >= begun.toISOString().slice(0, 23));
  return lines.filter((line) => users.some((user) => line.includes(user))).length;
}
