/** How many OSD operations a CreateVolume sends, by librados' own counter behind its admin socket. */
import { join } from 'node:path';
import pino from 'pino';
import { Fences } from '../src/attachment/fences.js';
import { HolderRecords } from '../src/attachment/holder-records.js';
import { NO_NODE_STATES } from '../src/attachment/node-state.js';
import { Nodes } from '../src/attachment/node-registry.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { Counters } from '../src/observe/metrics.js';
import { Clusters } from '../src/rbd/clusters.js';
import { createLibrbd } from '../src/rbd/librbd/driver/librbd.js';
import { createVolume } from '../src/volume/controller/create-volume.js';
import { Operations } from '../src/volume/operation/operations.js';
import { PoolCapacity } from '../src/volume/controller/pool-capacity.js';
import type { ControllerRoom } from '../src/volume/controller/controller-room.js';
import { InterruptedCreates } from '../src/volume/controller/interrupted-create.js';
import type { Ground } from './ground.js';

const ROUNDS = 20;

/** The same use case that the RPC calls, in this process, so that the worker's admin socket can be asked. */
export async function opsPerCreate(ground: Ground): Promise<number> {
  const socket = join(ground.directory, 'count.asok');
  const log = pino({ level: 'silent' });
  const rbd = createLibrbd({ log, extraConf: { admin_socket: socket } });
  try {
    const room: ControllerRoom = {
      ...{
        rbd,
        clusters: new Clusters(ground.clustersFile),
        holderRecords: new HolderRecords(rbd),
        nodes: new Nodes(rbd),
        log,
      },
      fencing: {
        ...{ policy: 'never', lostAfterMs: 0, fences: new Fences(rbd), nodeStates: NO_NODE_STATES },
        ...{ announce: () => undefined, counters: new Counters() },
      },
      ...{
        poolCapacity: new PoolCapacity(rbd),
        interruptedCreates: new InterruptedCreates(rbd, log),
        operations: new Operations(),
        now: () => new Date(),
      },
    };
    const one = (index: number) => createVolume(room, request(index), Deadline.after(30_000));
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
