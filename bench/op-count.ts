/** How many OSD operations a CreateVolume sends, by librados' own counter behind its admin socket. */
import { join } from 'node:path';
import pino from 'pino';
import { Installation } from '../src/attachment/node-identity.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { Clusters } from '../src/rbd/clusters.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { createVolume, type CreateParts } from '../src/volume/controller/create/create-volume.js';
import { Operations } from '../src/volume/operation/operations.js';
import { MkfsTrial } from '../src/host/filesystem/mkfs/try-mkfs.js';
import { PoolCapacity } from '../src/volume/controller/pool-capacity.js';
import { InterruptedCreates } from '../src/volume/controller/create/interrupted-create.js';
import type { BenchCluster } from './bench-cluster.js';

const ROUNDS = 20;

/** The same use case that the RPC calls, in this process, so that the worker's admin socket can be asked. */
export async function opsPerCreate(site: BenchCluster): Promise<number> {
  const socket = join(site.directory, 'count.asok');
  const log = pino({ level: 'silent' });
  const rbd = createLibrbd({ log, extraConf: { admin_socket: socket } });
  try {
    const parts: CreateParts = {
      rbd,
      clusters: new Clusters(site.clustersFile),
      poolCapacity: new PoolCapacity(rbd),
      mkfsTrial: new MkfsTrial(run, () => undefined),
      interruptedCreates: new InterruptedCreates(rbd, log),
      operations: new Operations(),
      installation: new Installation(),
      log,
      now: () => new Date(),
    };
    const one = (index: number) => createVolume(parts, request(index), Deadline.after(30_000));
    await one(0);
    const before = await sent(socket);
    for (let index = 1; index <= ROUNDS; index += 1) await one(index);
    return ((await sent(socket)) - before) / ROUNDS;
  } finally {
    await rbd.close();
  }
}

const request = (index: number) => ({
  name: `count-${index}`,
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
