/**
 * What a bench run stands on: a fresh cluster with a rados namespace for every measurement, and drivers on it; all gone
 * at the end.
 */
import { fork } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { NODES_OBJECTS } from '../src/attachment/nodes/node-objects.js';
import { RegistryFinder } from '../src/attachment/registry/find-registry.js';
import { adminOf } from '../src/dev/ceph/admin.js';
import { clusterUp, type Cluster } from '../src/dev/ceph/cluster.js';
import { layoutOf } from '../src/dev/ceph/layout.js';
import { startDriver, type Driver, type DriverOptions } from '../src/dev/driver/start-driver.js';
import { ensurePackages } from '../src/dev/packages.js';
import { say } from '../src/dev/say.js';
import { writeSettings } from '../src/dev/settings.js';
import { siteAt } from '../src/dev/site.js';
import { takeDown } from '../src/dev/take-down.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { createLog } from '../src/observe/log.js';
import { Clusters } from '../src/rbd/clusters.js';
import { FreshFiles } from '../src/rbd/fresh-file.js';
import type { RbdPort } from '../src/rbd/port.js';
import type { BareJob } from './bare-create.js';
import { leanClient, type LeanClient } from './lean-client.js';
import type { Pace } from './pace.js';

export const MiB = 2 ** 20;
const NAMESPACES = [
  ...(['c1', 'c8', 'c32', 'bare8', 'bare32', 'empty', 'full', 'memory', 'count', 'node', 'purge'] as const),
] as const;
export type Namespace = (typeof NAMESPACES)[number];

export interface Running {
  readonly driver: Driver;
  readonly client: LeanClient;
  readonly socket: string;
  readonly logFile: string;
}

export interface BenchCluster {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly clustersFile: string;
  startDriver(name: string, more?: Partial<DriverOptions>): Promise<Running>;
  bare(job: Omit<BareJob, 'access' | 'pool' | 'sizeBytes'>): Promise<Pace>;
  /** The rbd program as admin. */
  rbd(args: readonly string[]): Promise<string>;
  down(): Promise<void>;
}

export async function startBenchCluster(): Promise<BenchCluster> {
  await ensurePackages(run, say, Deadline.after(900_000));
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'berth-bench-')));
  const down = async (): Promise<void> => {
    await takeDown(directory);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    return { ...(await startIn(directory)), down };
  } catch (error) {
    await down();
    throw error;
  }
}

async function startIn(directory: string): Promise<Omit<BenchCluster, 'down'>> {
  const site = siteAt(directory);
  const cluster = await clusterUp(run, { directory: site.cluster }, Deadline.after(90_000));
  const admin = adminOf(run, layoutOf(cluster.directory));
  const pool = 'hyper';
  for (const namespace of NAMESPACES)
    await admin.rbd(['namespace', 'create', `${pool}/${namespace}`], Deadline.after(30_000));
  const { keys } = await writeSettings(directory, cluster);
  const clustersFile = join(directory, 'bench.yaml');
  const user = (role: 'controller' | 'node') => ({ id: cluster.users[role].id, keyFile: join(keys, role) });
  const users = { controller: user('controller'), node: user('node') };
  const config = {
    id: 'dev',
    monitors: cluster.monitors,
    pools: [{ name: pool, namespaces: ['', ...NAMESPACES], flexVolume: { images: 'any' } }],
    users,
  };
  await writeFile(clustersFile, stringify({ clusters: [config] }));
  const access = {
    cluster: 'dev',
    monitors: cluster.monitors,
    user: users.controller.id,
    key: cluster.users.controller.key.reveal(),
  };
  return {
    directory,
    cluster,
    clustersFile,
    // Thousands of writes, in one of them.
    rbd: (args) => admin.rbd(args, Deadline.after(300_000)),
    bare: (job) => bare({ ...job, access, pool, sizeBytes: 1024 * MiB }),
    startDriver: async (name, more) => {
      const socket = join(directory, `${name}.sock`);
      const options = {
        socket,
        clustersFile,
        nodeId: name,
        stateDir: join(site.state, name),
        logFile: join(directory, `${name}.log`),
      };
      const services = more?.services ?? ['identity', 'controller'];
      // The one that ships is measured; only the other can map where the kernel has neither rbd nor nbd.
      const program = services.includes('node') ? 'development' : 'shipped';
      const driver = await startDriver({ ...options, program, services, ...more });
      await driver.ready(Deadline.after(30_000));
      return { driver, client: leanClient(socket), socket, logFile: options.logFile };
    },
  };
}

/** A clusters file whose registry can be found, as a driver finds it. */
export const clustersOver = (file: string, rbd: RbdPort): Clusters => {
  const settings = { objects: NODES_OBJECTS, records: true, log: createLog('silent'), now: () => new Date() };
  return new Clusters(file, new FreshFiles(), () => undefined, new RegistryFinder({ rbd, ...settings }));
};

function bare(job: BareJob): Promise<Pace> {
  const child = fork(fileURLToPath(new URL('./bare-create.js', import.meta.url)), {
    env: { ...process.env, UV_THREADPOOL_SIZE: '32' },
    serialization: 'advanced',
  });
  return new Promise((resolve, reject) => {
    child.once('message', (pace: Pace) => resolve(pace));
    child.once('exit', (code) => reject(new Error(`bare create ended with ${code ?? 'a signal'}`)));
    child.send(job);
  });
}

/** CreateVolume as the provisioner with extra metadata calls it. */
export async function create(client: LeanClient, namespace: Namespace, name: string): Promise<void> {
  await client.createVolume({
    name,
    capacityRange: { requiredBytes: 1024 * MiB },
    volumeCapabilities: [{ block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } }],
    parameters: {
      clusterID: 'dev',
      pool: 'hyper',
      radosNamespace: namespace,
      'csi.storage.k8s.io/pvc/name': name,
      'csi.storage.k8s.io/pvc/namespace': 'bench',
      'csi.storage.k8s.io/pv/name': name,
    },
  });
}
