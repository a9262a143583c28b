/**
 * What each use case of a controller takes, over a cluster in memory. Every call is another controller: it shares Ceph
 * with the others and nothing else.
 */
import { DeleteClaims } from '../../../../src/attachment/delete-claims.js';
import { FENCES_METRIC } from '../../../../src/attachment/fence-keeper.js';
import { Fences } from '../../../../src/attachment/fences.js';
import { HolderRecords } from '../../../../src/attachment/holder-records.js';
import { Installation } from '../../../../src/attachment/node-identity.js';
import { NodeRegistry } from '../../../../src/attachment/node-registry.js';
import { NO_NODE_STATES, type Announcement } from '../../../../src/attachment/node-state.js';
import { createLog } from '../../../../src/observe/log.js';
import { Counters } from '../../../../src/observe/metrics.js';
import { GentleSlices } from '../../../../src/volume/controller/delete/gentle-slices.js';
import { InterruptedCreates } from '../../../../src/volume/controller/create/interrupted-create.js';
import { ForeignImages } from '../../../../src/volume/controller/list/foreign-images.js';
import { CHAIN_LIMITS } from '../../../../src/volume/controller/flatten/chain-depth.js';
import { Flattens } from '../../../../src/volume/controller/flatten/flattens.js';
import { Purges } from '../../../../src/volume/controller/delete/purges.js';
import { PoolCapacity } from '../../../../src/volume/controller/pool-capacity.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import type { ControllerSteps } from '../../../../src/volume/operation/steps.js';
import { NOW, type MemoryCluster } from './memory-cluster.js';

type CephInMemory = Pick<MemoryCluster, 'rbd' | 'clusters'> & Partial<Pick<MemoryCluster, 'installation'>>;

export const log = createLog('silent');
export const now = (): Date => new Date(NOW);
const operations = () => new Operations<ControllerSteps>();

export const deleteParts = ({ rbd, clusters }: CephInMemory) => ({
  rbd,
  longWork: rbd,
  clusters,
  now,
  purges: new Purges(
    {
      rbd,
      longWork: rbd,
      clusters,
      counters: new Counters(),
      log,
      by: 'test',
      now,
      slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
    },
    2,
  ),
  deleteClaims: new DeleteClaims(rbd, now),
  interruptedCreates: new InterruptedCreates(rbd, log),
  operations: operations(),
  log,
});

/** @param parentFree hears of each image that a flattened one stood on */
export const flattensOf = (
  { rbd, clusters }: CephInMemory,
  parentFree: (cluster: string, imageId: string) => void = () => undefined,
): Flattens =>
  new Flattens({
    ...{ rbd, longWork: rbd, clusters, counters: new Counters(), log, by: `test-${Math.random()}`, now },
    ...{
      slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
      limits: CHAIN_LIMITS,
      entered: () => undefined,
      parentFree,
    },
  });

export const createParts = ({ rbd, clusters, installation = new Installation() }: CephInMemory) => ({
  ...deleteParts({ rbd, clusters }),
  installation,
  poolCapacity: new PoolCapacity(rbd),
  mkfsTrial: { check: () => Promise.resolve() },
  flattens: flattensOf({ rbd, clusters }),
  now,
});

export const capacityParts = ({ rbd, clusters }: CephInMemory) => ({ clusters, poolCapacity: new PoolCapacity(rbd) });

export const expandParts = ({ rbd, clusters }: CephInMemory) => ({
  rbd,
  clusters,
  poolCapacity: new PoolCapacity(rbd),
  operations: operations(),
});

export const attachParts = ({ rbd, clusters, installation = new Installation() }: CephInMemory) => ({
  rbd,
  longWork: rbd,
  flattens: flattensOf({ rbd, clusters }),
  clusters,
  installation,
  nodes: new NodeRegistry(rbd),
  holderRecords: new HolderRecords(rbd, now),
  operations: operations(),
  foreignImages: new ForeignImages(),
});

/** For an attach as well. `announced` is what people are told. */
export function detachParts(cluster: CephInMemory) {
  const announced: Announcement[] = [];
  const counters = new Counters();
  counters.declare(FENCES_METRIC, 'fences', { what: [] });
  return {
    ...attachParts(cluster),
    nodeStates: NO_NODE_STATES,
    fences: new Fences(cluster.rbd, now),
    fencingRules: { policy: 'out-of-service', lostAfterMs: 300_000 } as const,
    announce: (what: Announcement) => void announced.push(what),
    announced,
    counters,
    log,
    now,
  };
}

export const snapshotParts = (cluster: CephInMemory) => ({
  rbd: cluster.rbd,
  clusters: cluster.clusters,
  installation: cluster.installation ?? new Installation(),
  withoutSnapshots: ForeignImages.withoutSnapshots(),
  purges: deleteParts(cluster).purges,
  operations: operations(),
  log,
  now,
});
