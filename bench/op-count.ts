/** How many OSD operations a call of the controller sends, by librados' own counter behind its admin socket. */
import { join } from 'node:path';
import pino from 'pino';
import { Installation } from '../src/attachment/node-identity.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { createVolume, type CreateParts } from '../src/volume/controller/create/create-volume.js';
import { Operations } from '../src/volume/operation/operations.js';
import { MkfsTrial } from '../src/host/filesystem/mkfs/try-mkfs.js';
import { ForeignImages } from '../src/volume/controller/list/foreign-images.js';
import { PoolCapacity } from '../src/volume/controller/pool-capacity.js';
import { CHAIN_LIMITS } from '../src/volume/controller/flatten/chain-depth.js';
import { InterruptedCreates } from '../src/volume/controller/create/interrupted-create.js';
import { createSnapshot, type CreateSnapshotParts } from '../src/volume/controller/snapshot/create-snapshot.js';
import type { ContentSource } from '../src/volume/image/volume-record.js';
import { clustersOver, type BenchCluster } from './bench-cluster.js';
import { median } from './figures.js';

const ROUNDS = 20;
/** Of calls that wait for the monitors, a second each. */
const SLOW_ROUNDS = 5;

/** Operations a call, the median: the connection itself sends one now and then. */
export interface Operated {
  readonly create: number;
  readonly snapshot: number;
  readonly restore: number;
  readonly clone: number;
}

/** The same use cases that the RPCs call, in this process, so that the worker's admin socket can be asked. */
export async function countOperations(site: BenchCluster, which: 'create' | 'all'): Promise<Operated> {
  const socket = join(site.directory, 'count.asok');
  const log = pino({ level: 'silent' });
  const rbd = createLibrbd({ log, extraConf: { admin_socket: socket } });
  const each = async (count: number, call: (index: number) => Promise<unknown>): Promise<number> => {
    await call(0);
    const costs: number[] = [];
    for (let index = 1; index <= count; index += 1) {
      const before = await sent(socket);
      await call(index);
      costs.push((await sent(socket)) - before);
    }
    return median(costs);
  };
  try {
    const parts: CreateParts & CreateSnapshotParts = {
      rbd,
      clusters: clustersOver(site.clustersFile, rbd),
      poolCapacity: new PoolCapacity(rbd),
      mkfsTrial: new MkfsTrial(run, () => undefined),
      interruptedCreates: new InterruptedCreates(rbd, log),
      withoutSnapshots: new ForeignImages(),
      operations: new Operations(),
      installation: new Installation(),
      // Of copies alone.
      flattens: {
        limits: CHAIN_LIMITS,
        enlist: () => Promise.resolve(),
        begin: () => undefined,
        hurry: () => Promise.resolve(undefined),
      },
      log,
      now: () => new Date(),
    };
    const make = (name: string, source?: ContentSource) =>
      createVolume(parts, { ...request(name), source }, Deadline.after(30_000));
    const create = await each(ROUNDS, (index) => make(`count-${index}`));
    if (which === 'create') return { create, snapshot: NaN, restore: NaN, clone: NaN };
    const volume = 'dev/hyper/count/berth-count-0';
    let id = '';
    const snapshot = await each(SLOW_ROUNDS, async (index) => {
      const cut = { name: `cut-${index}`, volume, secrets: undefined };
      ({ handle: id } = await createSnapshot(parts, cut, Deadline.after(30_000)));
    });
    const restore = await each(ROUNDS, (index) => make(`restored-${index}`, { kind: 'snapshot', id }));
    const clone = await each(SLOW_ROUNDS, (index) => make(`cloned-${index}`, { kind: 'volume', id: volume }));
    return { create, snapshot, restore, clone };
  } finally {
    await rbd.close();
  }
}

const request = (name: string) => ({
  name,
  range: { required: 2n ** 30n, limit: 0n },
  capabilities: [{ access: { kind: 'block' as const }, mode: 'SINGLE_NODE_WRITER' as const }],
  parameters: { clusterID: 'dev', pool: 'hyper', radosNamespace: 'count', 'csi.storage.k8s.io/pvc/name': 'data' },
  secrets: undefined,
});

async function sent(socket: string): Promise<number> {
  const { stdout } = await run('ceph', ['--admin-daemon', socket, 'perf', 'dump', 'objecter'], {
    deadline: Deadline.after(10_000),
  });
  return (JSON.parse(stdout) as { objecter: { op_send: number } }).objecter.op_send;
}
