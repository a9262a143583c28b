/** Gathers everything by which a detach is decided: from Ceph, the nodes' registrations and the orchestrator. */
import { hasReleased, type DetachFacts, type FencingPolicy } from '../../../attachment/decide-detach.js';
import type { Fences } from '../../../attachment/fences.js';
import type { Holder, HolderRecord } from '../../../attachment/holder-record.js';
import type { NodeRegistry } from '../../../attachment/node-registry.js';
import type { NodeStates } from '../../../attachment/node-state.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { Credentials, FoundVolume } from '../../image/find-volume.js';
import type { Operation } from '../../operation/operations.js';

/** What the operator lets a detach conclude from a node's silence. */
export interface FencingRules {
  readonly policy: FencingPolicy;
  /** How long a node has to be silent before it may count as lost, ms. */
  readonly lostAfterMs: number;
}

/** What the facts are read from. Nothing of it is changed here. */
export interface DetachFactsParts {
  readonly rbd: Pick<RbdPort, 'observeWatchers'>;
  readonly clusters: Pick<Clusters, 'registry'>;
  readonly nodes: Pick<NodeRegistry, 'read'>;
  readonly nodeStates: NodeStates;
  readonly fences: Pick<Fences, 'standing'>;
  readonly fencingRules: FencingRules;
  readonly log: Pick<Logger, 'warn'>;
  readonly now: () => Date;
}

export interface Detachment {
  readonly found: FoundVolume;
  readonly record: HolderRecord;
  /** Those of the record that are to go. */
  readonly holders: readonly Holder[];
  readonly secrets: Credentials | undefined;
}

/** What an orchestrator may take to answer, ms: its silence must not keep a volume from moving that was released. */
const NODE_STATE_MS = 3_000;

/** One entry for each holder that is to go. An answer that does not come is not an empty one: it is left undefined. */
export async function gatherDetachFacts(
  parts: DetachFactsParts,
  detachment: Detachment,
  operation: Operation<'watchers'>,
  deadline: Deadline,
): Promise<readonly DetachFacts[]> {
  const { nodeStates, fencingRules, now } = parts;
  const { record, holders } = detachment;
  const asked = holders.every(hasReleased) ? undefined : await askCluster(parts, detachment, operation, deadline);
  return Promise.all(
    holders.map(async (holder) => ({
      record,
      holder,
      view: hasReleased(holder)
        ? 'unknown'
        : await nodeStates.of(holder.node, deadline.within(NODE_STATE_MS)).catch(() => 'unknown' as const),
      registration: asked?.registrations.get(holder.node),
      sighting: asked?.watchers,
      blocked: asked?.blocked,
      policy: fencingRules.policy,
      lostAfterMs: fencingRules.lostAfterMs,
      now: now().getTime(),
    })),
  );
}

async function askCluster(
  { rbd, clusters, nodes, fences, log }: DetachFactsParts,
  { found: { at, id }, holders, secrets }: Detachment,
  operation: Operation<'watchers'>,
  deadline: Deadline,
) {
  operation.step('watchers');
  const registry = await clusters.registry(id.cluster, 'controller', secrets);
  const instances = holders.flatMap(({ clients }) => clients?.map(({ address }) => address) ?? []);
  const tell = (what: string) => (error: unknown) => {
    log.warn({ volume: at.image, err: error }, `${what} could not be had; the volume stays attached`);
    return undefined;
  };
  const [watchers, blocked, registrations] = await Promise.all([
    rbd.observeWatchers(at, deadline).catch(tell('the watchers')),
    fences.standing(registry, instances, deadline).catch(tell('the fences')),
    nodes.read(
      registry,
      holders.map(({ node }) => node),
      deadline,
    ),
  ]);
  return { watchers, blocked, registrations };
}
