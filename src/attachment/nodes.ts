/** The nodes of a cluster, each registered by itself in one RADOS object, so that the controller knows them without Kubernetes. */
import type { Deadline } from '../model/deadline.js';
import type { PoolRef, RbdPort } from '../rbd/port.js';

/** An omap in the cluster's registry pool: node id -> JSON. `rados listomapvals berth.nodes` shows it. */
export const NODES_OBJECT = 'berth.nodes';

export interface NodeRegistration {
  readonly version: 1;
  readonly node: string;
  /** /proc/sys/kernel/random/boot_id: another one means that every mapping of before is gone. */
  readonly bootId: string;
  /** Version of Berth on that node. */
  readonly driver: string;
  /** Mappers that can work there, best first. */
  readonly mappers: readonly string[];
  /** ISO 8601, refreshed by the node while it runs. */
  readonly seen: string;
}

export class Nodes {
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
}
