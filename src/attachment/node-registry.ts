/**
 * The nodes of a cluster, each registered by itself in RADOS, so that the controller knows them without Kubernetes.
 */
import type { Deadline } from '../model/deadline.js';
import type { PoolRef, RbdPort } from '../rbd/port.js';
import { isSameNode, type NodeIdentity } from './node-identity.js';
import { forgetDeadNodes } from './nodes/all-registrations.js';
import { EarlierLines } from './nodes/earlier-lines.js';
import { EARLIER_NODES_OBJECT, nodesObjectOf } from './nodes/node-objects.js';
import { keysOf, parseRegistration, type NodeRegistration } from './nodes/node-registration.js';

export type { NodeRegistration } from './nodes/node-registration.js';

/** What the registry says of a node. */
export interface RegisteredNode {
  /** The last word of the node itself; undefined where it has none in the cluster. */
  readonly registration: NodeRegistration | undefined;
  /** The last word of another machine that has registered under its name since, in its installation. */
  readonly successor: NodeRegistration | undefined;
  /** A node of that name in another installation, where this one has none: the last such that spoke. */
  readonly elsewhere: NodeRegistration | undefined;
}

/** A node that was silent for longer, ms, may have been changed back to an earlier Berth, which writes elsewhere. */
const SILENT_MS = 90_000;

export class NodeRegistry {
  readonly #rbd: Pick<RbdPort, 'getRecords' | 'setRecords' | 'listRecords' | 'compareAndSetRecord'>;
  readonly #now: () => Date;
  readonly #earlier: EarlierLines;

  constructor(
    rbd: Pick<RbdPort, 'getRecords' | 'setRecords' | 'listRecords' | 'compareAndSetRecord'>,
    now: () => Date = () => new Date(),
  ) {
    this.#rbd = rbd;
    this.#now = now;
    this.#earlier = new EarlierLines(rbd);
  }

  /**
   * A node writes its line three times: as the machine that it is, as the one that bears the name now, and under its
   * bare name, which says that there is one of that name elsewhere. Only there do nodes of equal names overwrite each
   * other's.
   */
  async register(registry: PoolRef, node: NodeRegistration, deadline: Deadline): Promise<void> {
    const text = JSON.stringify(node);
    const lines = new Map(keysOf(node).map((key) => [key, text]));
    await this.#rbd.setRecords(registry, nodesObjectOf(node.node), lines, deadline);
    await this.#earlier.keep(registry, node, deadline);
  }

  /**
   * What is known of a node; what cannot be understood is left out, as if nobody had said it. One operation, and a
   * second one for a node that is silent.
   */
  async find(registry: PoolRef, node: NodeIdentity, deadline: Deadline): Promise<RegisteredNode> {
    const keys = keysOf(node);
    const texts = await this.#rbd.getRecords(registry, nodesObjectOf(node.node), keys, deadline);
    const found = foundIn(texts, node);
    if (found.registration !== undefined && !this.#isSilent(found.registration)) return found;
    const earlier = await this.#rbd.getRecords(registry, EARLIER_NODES_OBJECT, keys, deadline);
    return earlier.size === 0 ? found : foundIn(newest(texts, earlier), node);
  }

  /** As {@link forgetDeadNodes}. */
  forgetDead(registry: PoolRef, needed: ReadonlySet<string>, deadline: Deadline): Promise<number> {
    return forgetDeadNodes(this.#rbd, registry, { now: this.#now().getTime(), needed }, deadline);
  }

  #isSilent({ seen }: NodeRegistration): boolean {
    return !(Math.abs(this.#now().getTime() - Date.parse(seen)) < SILENT_MS);
  }
}

function foundIn(texts: ReadonlyMap<string, string>, node: NodeIdentity): RegisteredNode {
  const byName = parseRegistration(texts.get(node.node) ?? '');
  const own = keysOf(node).flatMap((key) => (key === node.node ? [] : (parseRegistration(texts.get(key) ?? '') ?? [])));
  // Under the bare name it may be any installation's: it counts where it does not say whose, or nobody asks for that.
  const isOld = byName !== undefined && (byName.installation === undefined || node.installation === undefined);
  const all = own.length === 0 && isOld ? [byName] : own;
  return {
    registration: all.find((one) => isSameNode(one, node)),
    successor: all.find((one) => !isSameNode(one, node)),
    elsewhere: all.length === 0 && byName?.installation !== node.installation ? byName : undefined,
  };
}

/** Under each key the later word. */
function newest(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const seen = (text: string | undefined): number => Date.parse(parseRegistration(text ?? '')?.seen ?? '') || 0;
  const later = [...other].filter(([key, text]) => seen(text) > seen(one.get(key)));
  return new Map([...one, ...later]);
}
