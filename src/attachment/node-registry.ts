/**
 * The nodes of a cluster, each registered by itself in one RADOS object, so that the controller knows them without
 * Kubernetes.
 */
import type { Deadline } from '../model/deadline.js';
import type { PoolRef, RbdPort } from '../rbd/port.js';
import { hasIdentity, type RecordedNode } from './node-identity.js';

/** An omap in the cluster's registry pool: node id -> JSON. `rados listomapvals berth.nodes` shows it. */
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

export class NodeRegistry {
  readonly #rbd: RbdPort;

  constructor(rbd: RbdPort) {
    this.#rbd = rbd;
  }

  async register(registry: PoolRef, node: NodeRegistration, deadline: Deadline): Promise<void> {
    await this.#rbd.setRecords(registry, NODES_OBJECT, new Map([[node.node, JSON.stringify(node)]]), deadline);
  }

  /** Has a node of this id ever registered in the cluster? */
  async isKnown(registry: PoolRef, node: string, deadline: Deadline): Promise<boolean> {
    return (await this.#rbd.getRecords(registry, NODES_OBJECT, [node], deadline)).has(node);
  }

  /** What these nodes last said of themselves; what cannot be understood is left out, as if they had said nothing. */
  async read(
    registry: PoolRef,
    nodes: readonly string[],
    deadline: Deadline,
  ): Promise<ReadonlyMap<string, NodeRegistration>> {
    const records = await this.#rbd.getRecords(registry, NODES_OBJECT, nodes, deadline);
    const read = [...records].map(([node, text]) => [node, parseRegistration(text)] as const);
    return new Map(read.flatMap(([node, one]) => (one === undefined ? [] : [[node, one]])));
  }
}

/** How many registrations one call reads. */
const PAGE = 1_000;

/**
 * Which node last said that it has an image open by which of these client instances: address -> node. Reads the whole
 * registry, so it is for a message that refuses something.
 */
export async function nodesOfClients(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  addresses: readonly string[],
  deadline: Deadline,
): Promise<ReadonlyMap<string, string>> {
  const nodes = new Map<string, string>();
  for (let after = ''; ; ) {
    const page = await rbd.listRecords(registry, NODES_OBJECT, after, PAGE, deadline);
    for (const [node, text] of page) {
      const clients = parseRegistration(text)?.clients ?? [];
      for (const address of addresses) if (clients.includes(address)) nodes.set(address, node);
      after = node;
    }
    if (page.size < PAGE) return nodes;
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
