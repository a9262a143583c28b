/**
 * What is known of a holder's node, brought down to one word: from the orchestrator, from its own registration, and
 * from its boot.
 */
import type { NodeState, NodeStateAnswer } from './node-state.js';
import type { NodeRegistration } from './node-registry.js';
import type { Holder } from './holder-record.js';

export interface NodeHealthFacts {
  readonly view: NodeStateAnswer;
  /** The node's own; undefined where it has none in the cluster. */
  readonly registration: NodeRegistration | undefined;
  /** Of another machine that bears the node's name. */
  readonly successor?: NodeRegistration | undefined;
  /** How long a node has to be silent before that means something, ms. */
  readonly lostAfterMs: number;
  /** Wall clock, ms. */
  readonly now: number;
}

/**
 * `alive`: somebody vouches for it. `replaced`: another machine bears its name, and it is silent itself. `rebooted`: it
 * is in another boot than the holder's. `out-of-service`: a person
 * said so, and it is not Ready. `lost`: not Ready and silent for long. `absent`: the orchestrator has no such node, or
 * there is none and it is not registered, and it is silent. `unclear`: anything else.
 */
export type NodeHealth = 'alive' | 'replaced' | 'rebooted' | 'out-of-service' | 'lost' | 'absent' | 'unclear';

export function healthOf(holder: Holder, facts: NodeHealthFacts): NodeHealth {
  const { view, registration } = facts;
  // Whatever the orchestrator says of that name, it says of the machine that bears it now.
  if (hasSuccessor(facts)) return isReplaced(facts) ? 'replaced' : isHeard(facts) ? 'alive' : 'unclear';
  if (isRebooted(holder, facts)) return 'rebooted';
  if (view === 'unknown') return registration === undefined ? 'absent' : isHeard(facts) ? 'alive' : 'unclear';
  // Taken out of the orchestrator, and still at work: its kernel does not ask whether it has a Node object.
  if (view === 'absent') return isHeard(facts) ? 'alive' : 'absent';
  if (view.ready === 'true') return 'alive';
  if (view.outOfService) return 'out-of-service';
  return isLongNotReady(view, facts) && !isHeard(facts) ? 'lost' : 'unclear';
}

/** A node registers every 30 s: how long it must be silent, ms, before another machine's word counts in its place. */
const SILENT_MS = 90_000;

const hasSuccessor = ({ successor, now, lostAfterMs }: NodeHealthFacts): boolean =>
  successor !== undefined && isHeard({ registration: successor, now, lostAfterMs });

const isReplaced = ({ registration, now }: NodeHealthFacts): boolean =>
  registration === undefined || Math.abs(now - Date.parse(registration.seen)) >= SILENT_MS;

/** The registration is younger than `lostAfterMs`, or cannot be dated. */
function isHeard({ registration, now, lostAfterMs }: Omit<NodeHealthFacts, 'view' | 'successor'>): boolean {
  return registration !== undefined && !(now - Date.parse(registration.seen) >= lostAfterMs);
}

const isLongNotReady = ({ notReadySince }: NodeState, { now, lostAfterMs }: NodeHealthFacts): boolean =>
  notReadySince !== undefined && now - Date.parse(notReadySince) >= lostAfterMs;

/**
 * A registration says more than the record only where the node wrote it later. The orchestrator may still show the boot
 * before the one in which the volume was staged: the node's own word, while it is fresh, goes before it.
 */
function isRebooted({ bootId, at }: Holder, facts: NodeHealthFacts): boolean {
  const { view, registration } = facts;
  if (bootId === undefined) return false;
  if (registration !== undefined) {
    if (registration.bootId === bootId && isHeard(facts)) return false;
    const isLater = at !== undefined && Date.parse(registration.seen) > Date.parse(at);
    if (registration.bootId !== bootId && isLater) return true;
  }
  return typeof view === 'object' && view.bootId !== undefined && view.bootId !== bootId;
}

/** For a person: `Ready`, `NotReady since …, out-of-service taint`, with what the node itself last said. */
export function describeNode(facts: NodeHealthFacts): string {
  const { view, registration, successor } = facts;
  const heard = registration === undefined ? 'not registered' : `last heard of ${registration.seen}`;
  const own = hasSuccessor(facts) ? `${heard}, its name is borne by machine ${successor?.machine ?? ''} now` : heard;
  if (view === 'unknown') return `its state is not known, ${own}`;
  if (view === 'absent') return `there is no such Node object, ${own}`;
  const ready = view.ready === 'true' ? 'Ready' : `not Ready since ${view.notReadySince ?? 'an unknown time'}`;
  return `${ready}${view.outOfService ? ', tainted out-of-service' : ''}, ${own}`;
}
