/**
 * Keeps fences up while they are needed and lifts them when their nodes are back; every controller runs it, and two do
 * no harm.
 */
import { Deadline } from '../model/deadline.js';
import { Rounds } from '../model/rounds.js';
import type { Counters } from '../observe/metrics.js';
import type { Logger } from '../observe/log.js';
import type { Clusters } from '../rbd/clusters.js';
import type { PoolRef } from '../rbd/port.js';
import { RENEW_MS, whyLift, type Fence, type Fences } from './fences.js';
import type { Announce } from './node-state.js';
import type { NodeRegistry } from './node-registry.js';

/** Between two rounds, ms: how long a node that is back waits to be let in again, at most. */
const EVERY_MS = 60_000;
/** What a round may take in one cluster, ms. */
const CLUSTER_MS = 30_000;

/** How long a stop waits for the round that runs, ms: what is cut short is gone on with by the next controller. */
const STOP_MS = 1_000;

export const FENCES_METRIC = 'berth_fences_total';

export interface FenceKeeperParts {
  readonly fences: Pick<Fences, 'all' | 'blocked' | 'renew' | 'lift'>;
  readonly nodes: Pick<NodeRegistry, 'read'>;
  readonly clusters: Pick<Clusters, 'all' | 'registry'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly counters: Pick<Counters, 'count'>;
  readonly announce: Announce;
  readonly now: () => Date;
}

export class FenceKeeper {
  readonly #parts: FenceKeeperParts;
  readonly #rounds: Rounds;

  constructor(parts: FenceKeeperParts, everyMs = EVERY_MS) {
    this.#parts = parts;
    this.#rounds = new Rounds(() => this.#tellRound(), { everyMs, stopMs: STOP_MS });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Every cluster once; a cluster that does not answer costs a line in the log. */
  async round(): Promise<void> {
    const { clusters, log } = this.#parts;
    for (const { id } of await clusters.all()) {
      if (this.#rounds.stopped) return;
      try {
        await this.#settle(await clusters.registry(id, 'controller'), Deadline.after(CLUSTER_MS));
      } catch (error) {
        log.warn({ cluster: id, err: error }, 'fences could not be looked after; it will be tried again');
      }
    }
  }

  async #settle(registry: PoolRef, deadline: Deadline): Promise<void> {
    const { fences, nodes } = this.#parts;
    const all = await fences.all(registry, deadline);
    if (all.length === 0) return;
    const registrations = await nodes.read(registry, [...new Set(all.map(({ node }) => node))], deadline);
    const blocked = await fences.blocked(registry, deadline);
    for (const fence of all) {
      const why = whyLift(fence, registrations.get(fence.node));
      if (why !== undefined) await this.#lift(registry, fence, why, deadline);
      else await this.#keep(registry, fence, blocked.get(fence.instance), deadline);
    }
  }

  async #keep(registry: PoolRef, fence: Fence, until: number | undefined, deadline: Deadline): Promise<void> {
    const { fences, log, counters, now } = this.#parts;
    if (!fence.made || (until !== undefined && until - now().getTime() >= RENEW_MS)) return;
    await fences.renew(registry, fence, until, deadline);
    counters.count(FENCES_METRIC, { what: 'renewed' });
    log.info({ ...fence, until }, 'a fence was renewed');
  }

  async #lift(registry: PoolRef, fence: Fence, why: string, deadline: Deadline): Promise<void> {
    const { fences, log, counters, announce } = this.#parts;
    await fences.lift(registry, fence, deadline);
    counters.count(FENCES_METRIC, { what: 'lifted' });
    log.info({ ...fence, why }, 'a fence was lifted');
    const { node, instance, client } = fence;
    const message = `${client} at ${instance} may use the cluster again: ${why}`;
    announce({ kind: 'Normal', reason: 'NodeUnfenced', message, about: { node } });
  }

  async #tellRound(): Promise<void> {
    try {
      await this.round();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'fences could not be looked after; it will be tried again');
    }
  }
}
