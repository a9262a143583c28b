/**
 * May a holder be taken for gone, must it be fenced first, or is it too early to say: one pure function over everything
 * that is known.
 */
import { isReaderMode } from '../model/capability.js';
import type { WatcherObservation, Watcher } from '../rbd/port.js';
import { describeNode, healthOf, type NodeHealthFacts, type NodeHealth } from './node-health.js';
import type { ClientInstance, Holder, HolderRecord } from './holder-record.js';
import { identityOf, isSameNode } from './node-identity.js';
import { attributeWatchers, describeWatchers, instanceOf, type AttributedWatchers } from './unexplained-watchers.js';

export const FENCING_POLICIES = ['never', 'out-of-service', 'node-lost'] as const;
/**
 * `never`; `out-of-service`: a person's taint, a node that is in no list any more, one that was booted anew;
 * `node-lost`: also a node that is not Ready and silent for long, and whose client has gone.
 */
export type FencingPolicy = (typeof FENCING_POLICIES)[number];

export interface DetachFacts extends NodeHealthFacts {
  readonly record: HolderRecord;
  /** One of the record's. */
  readonly holder: Holder;
  /** Undefined where it could not be had. */
  readonly sighting: WatcherObservation | undefined;
  /** Instance -> until, ms, of the fences that we keep up; undefined where they could not be had. */
  readonly blocked: ReadonlyMap<string, number> | undefined;
  readonly policy: FencingPolicy;
  /** Nobody asks for the volume on that node any more, so a stage that still runs there may be made to fail. */
  readonly unasked: boolean;
}

export type Verdict =
  | { readonly kind: 'gone'; readonly evidence: string }
  | {
      readonly kind: 'fence';
      readonly clients: readonly ClientInstance[];
      readonly evidence: string;
      /** When the node had last registered itself; undefined where it had not. */
      readonly heard: string | undefined;
    }
  | { readonly kind: 'wait'; readonly why: string; readonly todo: string };

/** A fence that ends sooner proves nothing to whoever comes next, ms. */
const LEAST_FENCE_MS = 60_000;

const gone = (evidence: string): Verdict => ({ kind: 'gone', evidence });
const wait = (why: string, todo: string): Verdict => ({ kind: 'wait', why, todo });

/** Needs neither watchers nor node: the holder's own word that it unmapped. */
export const hasReleased = ({ state }: Holder): boolean => state === 'released';

export function decideDetachment(facts: DetachFacts): Verdict {
  const { holder } = facts;
  if (hasReleased(holder)) return gone(`released by its node at ${holder.at ?? 'an unknown time'}`);
  const { sighting } = facts;
  if (sighting?.settled !== true) {
    const why =
      sighting === undefined ? 'its watchers could not be listed' : 'the monitors elected while they were listed';
    return wait(`who has the image open cannot be told: ${why} (node: ${describeNode(facts)})`, 'see ceph -s');
  }
  const seen = { ...facts, health: healthOf(holder, facts), ...attributed(facts, sighting.watchers) };
  if (holder.state === undefined || holder.state === 'granted') return unstaged(seen);
  if (isFenced(seen)) {
    const { clients = [] } = holder;
    return seen.strangers.length > 0 ? strangersWait(seen) : gone(`fenced: ${clients.map(nameOf).join(', ')}`);
  }
  if (holder.state === 'staging' && holder.clients === undefined) return begun(seen);
  return isReader(facts.record) ? reader(seen) : writer(seen);
}

/** The holder's recorded clients are its own. */
const attributed = ({ record, holder }: DetachFacts, watchers: readonly Watcher[]): AttributedWatchers =>
  attributeWatchers({ watchers, record, node: identityOf(holder), own: holder.clients ?? [] });

interface SeenHolder extends DetachFacts, AttributedWatchers {
  readonly health: NodeHealth;
}

const isReader = ({ readOnly, mode }: HolderRecord): boolean => readOnly || isReaderMode(mode);

function isFenced({ holder: { clients = [] }, blocked, now }: SeenHolder): boolean {
  const isBlocked = ({ address }: ClientInstance): boolean => (blocked?.get(address) ?? 0) - now >= LEAST_FENCE_MS;
  return clients.length > 0 && clients.every(isBlocked);
}

/** The node has not begun, or wrote its record as a Berth that knew no states. */
function unstaged(seen: SeenHolder): Verdict {
  const { holder, strangers, health } = seen;
  if (strangers.length > 0) return strangersWait(seen);
  if (holder.state === 'granted') return gone('its node never set out to map it, and nobody watches it');
  // A frozen client of such a node loses its watch as well: without a recorded instance nothing could be fenced.
  if (health === 'unclear' || health === 'lost') return unclearWait(seen);
  return gone(`nobody watches it, and no instance is recorded; node: ${describeNode(seen)}`);
}

/**
 * `staging` without clients: whatever the node mapped, it writes nothing before it has written the next state, and that
 * will fail. A living node is left in peace while somebody asks for it there.
 */
function begun(seen: SeenHolder): Verdict {
  const { health } = seen;
  const isOver = health === 'replaced' || health === 'rebooted' || health === 'out-of-service' || health === 'absent';
  if (isOver || (health === 'lost' && seen.policy === 'node-lost'))
    return gone(`its node set out to stage it and has written nothing; ${describeNode(seen)}`);
  if (health !== 'alive') return unclearWait(seen);
  if (!seen.unasked) return aliveWait(seen);
  if (seen.strangers.length > 0) return strangersWait(seen);
  return gone(`its node set out to stage it and has written nothing, nobody asks for it there, ${TOO_LATE}`);
}

/** What becomes of a stage whose record is gone: BERTH_RECORD_LOST. */
const TOO_LATE = 'and a stage that still runs fails before it writes';

/** It cannot write, and need not watch: the kernel's client does not for what it maps read-only. */
function reader(seen: SeenHolder): Verdict {
  const { health } = seen;
  if (health === 'alive') return aliveWait(seen);
  if (health === 'unclear' || (health === 'lost' && seen.policy !== 'node-lost')) return unclearWait(seen);
  return gone(`it was staged read-only, and its node has gone: ${describeNode(seen)}`);
}

function writer(seen: SeenHolder): Verdict {
  const { health, policy } = seen;
  switch (health) {
    case 'alive':
      return aliveWait(seen);
    case 'replaced':
    case 'rebooted':
      return rebooted(seen);
    case 'out-of-service':
      return policy === 'never' ? offWait(seen) : fence(seen, 'a person tainted its node out-of-service');
    case 'absent':
      return absent(seen);
    case 'lost':
      if (policy !== 'node-lost') return unclearWait(seen);
      return seen.own.length > 0
        ? watchedWait(seen)
        : fence(seen, 'its node is lost and its client has left the image');
    case 'unclear':
      return unclearWait(seen);
  }
}

function rebooted(seen: SeenHolder): Verdict {
  if (seen.own.length > 0) return watchedWait(seen);
  if (seen.strangers.length > 0) return strangersWait(seen);
  const { bootId = '' } = seen.holder;
  const what = seen.health === 'replaced' ? 'replaced by another machine' : 'booted anew';
  const because = `its node was ${what} since (then ${bootId}), and its client has left the image`;
  // The name may have gone to another machine while the old one is frozen, with a client that would go on writing.
  if (seen.policy !== 'never') return fence(seen, because);
  return gone(`${because}; nothing was fenced, for fencing is off`);
}

function absent(seen: SeenHolder): Verdict {
  if (seen.own.length > 0) return watchedWait(seen);
  if (seen.policy !== 'never') return fence(seen, `its node is not there any more: ${describeNode(seen)}`);
  if (seen.strangers.length > 0) return strangersWait(seen);
  return gone(`its node is not there any more and its client has left the image: ${describeNode(seen)}`);
}

/** Exactly what was recorded, and where the cluster knows it by another address that one too. */
function fence(seen: SeenHolder, because: string): Verdict {
  const { holder, own, strangers, health, record } = seen;
  const { clients } = holder;
  if (clients === undefined || clients.length === 0) {
    if (strangers.length > 0) return strangersWait(seen);
    return health === 'lost'
      ? unclearWait(seen)
      : gone(`${because}; no instance is recorded and nobody watches the image`);
  }
  const all = new Map([...clients, ...own.map(instanceOf)].map((one) => [one.address, one]));
  const rest = record.holders.filter((one) => !isSameNode(one, identityOf(holder)));
  const others = rest.flatMap((one) => one.clients ?? []);
  const shared = others.find(({ address }) => all.has(address));
  const vague = [...all.keys()].find((address) => !isInstance(address));
  if (shared !== undefined || vague !== undefined) {
    const why =
      shared === undefined ? `${vague ?? ''} is more than one instance` : `${shared.address} is another node's, too`;
    return wait(`it cannot be fenced: ${why}`, 'power the node off and reboot it, or fence by hand');
  }
  const evidence = `${because}; node: ${describeNode(seen)}; ${clientText(seen)}`;
  return { kind: 'fence', clients: [...all.values()], evidence, heard: seen.registration?.seen };
}

/** Port and nonce zero stand for a whole address. */
const isInstance = (address: string): boolean => /:\d+\/[1-9]\d*$/.test(address);

const nameOf = ({ address, client }: ClientInstance): string => `${client} at ${address}`;

/** The client as Ceph has it now, or as it was recorded. */
function clientText({ holder: { clients = [] }, own }: SeenHolder): string {
  if (own.length > 0) return `${describeWatchers(own)} watches it`;
  return clients.length > 0 ? `${clients.map(nameOf).join(', ')} does not watch it now` : 'its client is not recorded';
}

function strangersWait(seen: SeenHolder): Verdict {
  return wait(
    `the image is open at ${describeWatchers(seen.strangers)}, and no record says whose that is ` +
      `(node: ${describeNode(seen)})`,
    'unstage it there, or end that client; one that died is forgotten by Ceph after about 30 s',
  );
}

const aliveWait = (seen: SeenHolder): Verdict =>
  wait(
    `it is ${seen.holder.state ?? 'held'} there and the node is alive (${describeNode(seen)}); ${clientText(seen)}`,
    'the node unstages it within seconds where no pod uses it (berth unstage does it at once); ' +
      'a node that is powered off has to be shut down for its orchestrator, too, ' +
      'or tainted out-of-service',
  );

const watchedWait = (seen: SeenHolder): Verdict =>
  wait(
    `its node has gone (${describeNode(seen)}), and yet ${clientText(seen)}`,
    'a client that died is forgotten by Ceph after about 30 s; one that lives has to be powered off or unstaged',
  );

const offWait = (seen: SeenHolder): Verdict =>
  wait(
    `its node is out of service and fencing is off (${describeNode(seen)}); ${clientText(seen)}`,
    'reboot the node, or run the controller with --fencing out-of-service',
  );

const unclearWait = (seen: SeenHolder): Verdict =>
  wait(
    `it cannot be told whether its node still writes (${describeNode(seen)}); ${clientText(seen)}`,
    'bring the node back, or make sure that it is powered off and taint it node.kubernetes.io/out-of-service; ' +
      'without Kubernetes, remove its keys from the omaps berth.nodes.*',
  );
