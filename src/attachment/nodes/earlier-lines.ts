/**
 * A node's lines in the object of an earlier Berth, whose controllers look nowhere else and would take the node for
 * gone. They are written on for a day after the node was updated, and removed then.
 */
import type { Deadline } from '../../model/deadline.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';
import { EARLIER_NODES_OBJECT } from './node-objects.js';
import { keysOf, parseRegistration, type NodeRegistration } from './node-registration.js';

/** Within the 300 s after which a controller takes a node for silent, ms: all nodes write the same object. */
const EVERY_MS = 200_000;
/** How long controllers of an earlier Berth may still run beside us, ms. */
const UPDATE_MS = 86_400_000;

interface Update {
  /** By the monotonic clock, ms; until when it is written on, and when it was written last. */
  readonly until: number;
  written: number;
}

export class EarlierLines {
  readonly #rbd: Pick<RbdPort, 'getRecords' | 'setRecords' | 'compareAndSetRecord'>;
  readonly #clock: () => number;
  /** By registry; undefined where there is nothing to do any more. */
  readonly #updates = new Map<string, Update | undefined>();

  constructor(
    rbd: Pick<RbdPort, 'getRecords' | 'setRecords' | 'compareAndSetRecord'>,
    clock: () => number = () => performance.now(),
  ) {
    this.#rbd = rbd;
    this.#clock = clock;
  }

  /** After the node has said the same where it belongs. Costs nothing where no earlier Berth was on this node. */
  async keep(registry: PoolRef, node: NodeRegistration, deadline: Deadline): Promise<void> {
    const at = JSON.stringify([registry.access.cluster, registry.pool, registry.namespace, node.node]);
    if (!this.#updates.has(at)) this.#updates.set(at, await this.#begin(registry, node, deadline));
    const update = this.#updates.get(at);
    if (update === undefined) return;
    const now = this.#clock();
    if (now >= update.until) {
      await this.#remove(registry, node, deadline);
      this.#updates.set(at, undefined);
    } else if (now - update.written >= EVERY_MS) {
      const text = JSON.stringify({ ...node, elsewhere: true });
      const lines = new Map(keysOf(node).map((key) => [key, text]));
      await this.#rbd.setRecords(registry, EARLIER_NODES_OBJECT, lines, deadline);
      update.written = now;
    }
  }

  /** An earlier Berth wrote there; or this one did, in a life before, and begins its day anew. */
  async #begin(registry: PoolRef, node: NodeRegistration, deadline: Deadline): Promise<Update | undefined> {
    const lines = await this.#rbd.getRecords(registry, EARLIER_NODES_OBJECT, keysOf(node), deadline);
    if (![...lines.values()].some((text) => isOf(node, text))) return undefined;
    return { until: this.#clock() + UPDATE_MS, written: Number.NEGATIVE_INFINITY };
  }

  /** Unless another node of that name has written since. */
  async #remove(registry: PoolRef, node: NodeRegistration, deadline: Deadline): Promise<void> {
    const lines = await this.#rbd.getRecords(registry, EARLIER_NODES_OBJECT, keysOf(node), deadline);
    for (const [key, text] of lines) {
      if (!isOf(node, text)) continue;
      await this.#rbd.compareAndSetRecord(registry, EARLIER_NODES_OBJECT, key, text, undefined, deadline);
    }
  }
}

/** The node's own line; what does not say whose it is differs from nothing. */
function isOf({ installation, machine }: NodeRegistration, text: string): boolean {
  const said = parseRegistration(text);
  if (said === undefined) return false;
  const { installation: itsInstallation = installation, machine: itsMachine = machine } = said;
  return itsInstallation === installation && itsMachine === machine;
}
