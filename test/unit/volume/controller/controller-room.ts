/** A controller's room over Ceph in memory and a real clusters file, for one test each. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { FENCES_METRIC } from '../../../../src/attachment/fence-keeper.js';
import { Fences } from '../../../../src/attachment/fences.js';
import { HolderRecords } from '../../../../src/attachment/holder-records.js';
import type { Announcement, NodeStateAnswer } from '../../../../src/attachment/node-state.js';
import { NodeRegistry } from '../../../../src/attachment/node-registry.js';
import type { Capability } from '../../../../src/model/capability.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { Secret } from '../../../../src/model/secret.js';
import { Counters } from '../../../../src/observe/metrics.js';
import { createLog } from '../../../../src/observe/log.js';
import { Clusters } from '../../../../src/rbd/clusters.js';
import type { ImageRef, PoolRef } from '../../../../src/rbd/port.js';
import type { CreateRequest } from '../../../../src/volume/controller/create/create-plan.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import { PoolCapacity } from '../../../../src/volume/controller/pool-capacity.js';
import type { ControllerParts } from '../../../../src/wiring/controller-parts.js';
import type { Credentials } from '../../../../src/volume/image/find-volume.js';
import { InterruptedCreates } from '../../../../src/volume/controller/create/interrupted-create.js';
import { MemoryRbd, type MemoryImage } from '../../../fakes/rbd-memory.js';

export const MiB = 1024n * 1024n;
export const GiB = 1024n * MiB;
export const NOW = '2026-01-02T03:04:05.000Z';

/** The pools of the clusters file below; `ec` exists in Ceph as a data pool only, `foreign` is not ours at all. */
const CLUSTERS = `
clusters:
  - id: c1
    monitors: ['127.0.0.1:3300']
    pools:
      - name: rbd
        namespaces: ['', team]
      - name: fast
    users:
      controller: { id: berth, keyFile: KEYFILE }
`;

export interface TestRoom extends ControllerParts {
  rbd: MemoryRbd;
  clustersFile: string;
  /** An image behind everybody's back. */
  image(name: string, pool?: string, namespace?: string): MemoryImage | undefined;
  at(name: string, pool?: string, namespace?: string): ImageRef;
  /** What the orchestrator says of nodes: unknown unless set here. */
  readonly views: Map<string, NodeStateAnswer>;
  readonly announced: Announcement[];
  /** Another controller over the same Ceph: its own operations, nothing else shared. */
  other(): ControllerParts;
}

/** To be called at the top of a test file; the room is fresh in every test. */
export function controllerRoom(): TestRoom {
  const room = {} as { -readonly [Key in keyof TestRoom]: TestRoom[Key] };
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'berth-room-'));
    room.clustersFile = path.join(directory, 'clusters.yaml');
    await writeFile(path.join(directory, 'key'), 'AQBkey==\n');
    await writeFile(room.clustersFile, CLUSTERS.replace('KEYFILE', path.join(directory, 'key')));
    const rbd = new MemoryRbd('rbd', 'rbd/team', 'fast', 'ec', 'foreign');
    Object.assign(room, over(rbd, room.clustersFile));
    room.image = (name, pool = 'rbd', namespace = '') => rbd.image({ pool, namespace, image: name });
    room.at = (name, pool = 'rbd', namespace = '') => ({ ...place(pool, namespace), image: name });
    room.other = () => over(rbd, room.clustersFile);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  return room;
}

function over(rbd: MemoryRbd, clustersFile: string) {
  const now = (): Date => new Date(NOW);
  const views = new Map<string, NodeStateAnswer>();
  const announced: Announcement[] = [];
  const counters = new Counters();
  counters.declare(FENCES_METRIC, 'fences');
  return {
    ...{ views, announced, counters, fences: new Fences(rbd, now) },
    fencingRules: { policy: 'out-of-service' as const, lostAfterMs: 300_000 },
    nodeStates: { of: (node: string) => Promise.resolve(views.get(node) ?? ('unknown' as const)) },
    announce: (what: Announcement) => void announced.push(what),
    ...{ rbd, now, log: createLog('silent'), clusters: new Clusters(clustersFile), operations: new Operations() },
    ...{
      holderRecords: new HolderRecords(rbd, now),
      nodes: new NodeRegistry(rbd),
      poolCapacity: new PoolCapacity(rbd),
    },
    interruptedCreates: new InterruptedCreates(rbd, createLog('silent')),
  };
}

export const place = (pool = 'rbd', namespace = ''): PoolRef => ({
  access: { cluster: 'c1', monitors: ['127.0.0.1:3300'], user: 'berth', key: new Secret('AQBkey==') },
  ...{ pool, namespace },
});

export const soon = (): Deadline => Deadline.after(10_000);
export const noSecrets: Credentials | undefined = undefined;

export const mounted: Capability = {
  mode: 'SINGLE_NODE_WRITER',
  access: { kind: 'mount', fsType: 'ext4', mountFlags: [], group: '' },
};
export const raw: Capability = { mode: 'SINGLE_NODE_WRITER', access: { kind: 'block' } };

/** A request for 1 GiB named `name` in rbd; `more` replaces, parameters are merged. */
export const creation = (name: string, more: Partial<CreateRequest> = {}): CreateRequest => ({
  ...{ name, range: { required: GiB, limit: 0n }, capabilities: [mounted], secrets: noSecrets },
  ...more,
  parameters: { clusterID: 'c1', pool: 'rbd', ...more.parameters },
});
