/** Gathers everything by which a detach is decided: from Ceph, the nodes' registrations and the orchestrator. */
import { hasReleased, type DetachFacts, type FencingPolicy } from '../../../attachment/decide-detach.js';
import type { Fences } from '../../../attachment/fences.js';
import type { Holder, HolderRecord } from '../../../attachment/holder-record.js';
import { identityOf, type NodeIdentity } from '../../../attachment/node-identity.js';
import type { NodeRegistration, NodeRegistry, RegisteredNode } from '../../../attachment/node-registry.js';
import type { NodeStateAnswer, NodeStates } from '../../../attachment/node-state.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { RbdPort, WatcherObservation } from '../../../rbd/port.js';
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
  readonly nodes: Pick<NodeRegistry, 'find'>;
  readonly nodeStates: NodeStates;
  readonly fences: Pick<Fences, 'standing'>;
  readonly fencingRules: FencingRules;
  readonly log: Pick<Logger, 'warn'>;
  readonly now: () => Date;
}

export interface Detachment {
  readonly found: FoundVolume;
  readonly record: HolderRecord;
  /** This installation: another one's nodes are none of its orchestrator's. */
  readonly installation: string | undefined;
  /** Those of the record that are to go. */
  readonly holders: readonly Holder[];
  readonly secrets: Credentials | undefined;
  /** See {@link DetachFacts}. */
  readonly unasked: boolean;
  /** Also what the decision does not need: for a person who is to see everything. */
  readonly inFull?: true;
}

/** What an orchestrator may take to answer, ms: its silence must not keep a volume from moving that was released. */
const NODE_STATE_MS = 3_000;

/** One entry for each holder that is to go. An answer that does not come is not an empty one: it is left undefined. */
export async function gatherDetachFacts(
  parts: DetachFactsParts,
  detachment: Detachment,
  operation: Pick<Operation<'watchers'>, 'step'>,
  deadline: Deadline,
): Promise<readonly DetachFacts[]> {
  const { fencingRules, now } = parts;
  const { record, holders, unasked, inFull = false } = detachment;
  const asked = holders.every(hasReleased) ? undefined : await askCluster(parts, detachment, operation, deadline);
  return Promise.all(
    holders.map(async (holder, index) => ({
      record,
      holder,
      view:
        !inFull && isUnused(holder, asked?.watchers)
          ? 'unknown'
          : await viewOf(parts, holder, asked?.registered[index], deadline),
      registration: registrationOf(holder, asked?.registered[index]),
      successor: asked?.registered[index]?.successor,
      sighting: asked?.watchers,
      blocked: asked?.blocked,
      policy: fencingRules.policy,
      unasked,
      lostAfterMs: fencingRules.lostAfterMs,
      now: now().getTime(),
    })),
  );
}

/**
 * A record that does not say whose node it means may mean another installation's, of which this one's orchestrator
 * knows nothing: that node's own word counts then.
 */
const isElsewhere = (holder: Holder, registered: RegisteredNode | undefined): boolean =>
  holder.installation === undefined && registered?.elsewhere !== undefined;

const registrationOf = (holder: Holder, registered: RegisteredNode | undefined): NodeRegistration | undefined =>
  isElsewhere(holder, registered) ? registered?.elsewhere : registered?.registration;

/** Its node never set out to map it, and nobody has it open: whatever becomes of that node, it may go. */
const isUnused = ({ state }: Holder, sighting: WatcherObservation | undefined): boolean =>
  state === 'granted' && sighting?.settled === true && sighting.watchers.length === 0;

async function viewOf(
  { nodeStates }: Pick<DetachFactsParts, 'nodeStates'>,
  holder: Holder,
  registered: RegisteredNode | undefined,
  deadline: Deadline,
): Promise<NodeStateAnswer> {
  if (hasReleased(holder) || isElsewhere(holder, registered)) return 'unknown';
  return nodeStates.of(holder.node, deadline.within(NODE_STATE_MS)).catch(() => 'unknown' as const);
}

async function askCluster(
  { rbd, clusters, nodes, fences, log }: DetachFactsParts,
  { found: { at, id }, installation, holders, secrets }: Detachment,
  operation: Pick<Operation<'watchers'>, 'step'>,
  deadline: Deadline,
) {
  operation.step('watchers');
  const registry = await clusters.registry(id.cluster, 'controller', deadline, secrets);
  const instances = holders.flatMap(({ clients }) => clients?.map(({ address }) => address) ?? []);
  const tell = (what: string) => (error: unknown) => {
    log.warn({ volume: at.image, err: error }, `${what} could not be had; the volume stays attached`);
    return undefined;
  };
  const named = (holder: Holder): NodeIdentity => ({ ...identityOf(holder), installation });
  const [watchers, blocked, registered] = await Promise.all([
    rbd.observeWatchers(at, deadline).catch(tell('the watchers')),
    fences.standing(registry, instances, deadline).catch(tell('the fences')),
    Promise.all(holders.map((holder) => nodes.find(registry, named(holder), deadline))),
  ]);
  return { watchers, blocked, registered };
}
