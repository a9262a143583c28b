/**
 * The nodes of a cluster, each registered by itself in one RADOS object, so that the controller knows them without
 * Kubernetes.
 */
import type { Deadline } from '../model/deadline.js';
import type { PoolRef, RbdPort } from '../rbd/port.js';
import { hasIdentity, isSameNode, nameNode, type NodeIdentity, type RecordedNode } from './node-identity.js';

/**
 * An omap in the cluster's registry pool: `installation/node` and `installation/node/machine` -> JSON, and the bare
 * node for controllers of an earlier Berth. `rados listomapvals berth.nodes` shows it.
 */
export const NODES_OBJECT = 'berth.nodes';

export interface NodeRegistration extends RecordedNode {
  readonly version: 1;
  /** /proc/sys/kernel/random/boot_id: another one means that every mapping of before is gone. */
  readonly bootId: string;
  /** Version of Berth on that node. */
  readonly driver: string;
  /** Mappers that can work there, best first. */
  readonly mappers: readonly string[];
  /** ISO 8601, refreshed by the node while it runs. */
  readonly seen: string;
  /**
   * Addresses of all client instances by which it has images of this cluster open; absent where it cannot tell them
   * all, and from nodes that never did. A fenced instance that is missing here is not in use any more.
   */
  readonly clients?: readonly string[];
}

/** What the registry says of a node. */
export interface RegisteredNode {
  /** The last word of the node itself; undefined where it has none in the cluster. */
  readonly registration: NodeRegistration | undefined;
  /** The last word of another machine that has registered under its name since, in its installation. */
  readonly successor: NodeRegistration | undefined;
  /** A node of that name in another installation, where this one has none: the last such that spoke. */
  readonly elsewhere: NodeRegistration | undefined;
}

export class NodeRegistry {
  readonly #rbd: RbdPort;

  constructor(rbd: RbdPort) {
    this.#rbd = rbd;
  }

  /**
   * A node writes its line three times: as the machine that it is, as the one that bears the name now, and for
   * controllers of an earlier Berth, which know nothing but names. Only there do nodes of equal names overwrite each
   * other's.
   */
  async register(registry: PoolRef, node: NodeRegistration, deadline: Deadline): Promise<void> {
    const text = JSON.stringify(node);
    await this.#rbd.setRecords(registry, NODES_OBJECT, new Map(keysOf(node).map((key) => [key, text])), deadline);
  }

  /** What is known of a node; what cannot be understood is left out, as if nobody had said it. */
  async find(registry: PoolRef, node: NodeIdentity, deadline: Deadline): Promise<RegisteredNode> {
    const texts = await this.#rbd.getRecords(registry, NODES_OBJECT, keysOf(node), deadline);
    const byName = parseRegistration(texts.get(node.node) ?? '');
    const own = keysOf(node).flatMap((key) =>
      key === node.node ? [] : (parseRegistration(texts.get(key) ?? '') ?? []),
    );
    // Under the bare name it may be any installation's: it counts where it does not say whose, or nobody asks for that.
    const isOld = byName !== undefined && (byName.installation === undefined || node.installation === undefined);
    const all = own.length === 0 && isOld ? [byName] : own;
    return {
      registration: all.find((one) => isSameNode(one, node)),
      successor: all.find((one) => !isSameNode(one, node)),
      elsewhere: all.length === 0 && byName?.installation !== node.installation ? byName : undefined,
    };
  }
}

/** The machine that bears the name first, then this very machine, then the bare name. */
function keysOf({ node, installation, machine }: RecordedNode): readonly string[] {
  if (installation === undefined) return [node];
  const name = `${encodeURIComponent(installation)}/${encodeURIComponent(node)}`;
  return [name, ...(machine === undefined ? [] : [`${name}/${encodeURIComponent(machine)}`]), node];
}

/** How many registrations one call reads. */
const PAGE = 1_000;

/**
 * Which node last said that it has an image open by which of these client instances: address -> node, for a person.
 * Reads the whole registry, so it is for a message that refuses something.
 */
export async function nodesOfClients(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  addresses: readonly string[],
  deadline: Deadline,
): Promise<ReadonlyMap<string, string>> {
  const nodes = new Map<string, string>();
  for await (const one of allRegistrations(rbd, registry, deadline)) {
    for (const address of addresses) if (one.clients?.includes(address) === true) nodes.set(address, nameNode(one));
  }
  return nodes;
}

/** Whose nodes are registered in a cluster; undefined for those that did not say. Reads the whole registry. */
export async function listInstallations(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  deadline: Deadline,
): Promise<ReadonlySet<string | undefined>> {
  const found = new Set<string | undefined>();
  for await (const { installation } of allRegistrations(rbd, registry, deadline)) found.add(installation);
  return found;
}

/** When a node last spoke there, ms since the epoch; 0 where none did. Reads the whole registry. */
export async function lastSeen(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  deadline: Deadline,
): Promise<number> {
  let last = 0;
  for await (const { seen } of allRegistrations(rbd, registry, deadline)) last = Math.max(last, Date.parse(seen) || 0);
  return last;
}

async function* allRegistrations(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  deadline: Deadline,
): AsyncGenerator<NodeRegistration> {
  for (let after = ''; ; ) {
    const page = await rbd.listRecords(registry, NODES_OBJECT, after, PAGE, deadline);
    for (const [key, text] of page) {
      const one = parseRegistration(text);
      if (one !== undefined) yield one;
      after = key;
    }
    if (page.size < PAGE) return;
  }
}

function parseRegistration(text: string): NodeRegistration | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const one = value as Partial<NodeRegistration> | null;
  if (one === null || !hasIdentity(one)) return undefined;
  if (typeof one.bootId !== 'string' || typeof one.seen !== 'string') return undefined;
  const { clients, ...rest } = one;
  const isList = Array.isArray(clients) && clients.every((client) => typeof client === 'string');
  return { ...rest, ...(isList ? { clients } : {}) } as NodeRegistration;
}
