/**
 * Keeps fences up while they are needed, leaves them to lapse when their nodes are back, and lets nobody in before;
 * every controller runs it, and two do no harm.
 */
import { Deadline } from '../model/deadline.js';
import { Rounds } from '../model/rounds.js';
import { workThrough } from '../model/settle-all.js';
import type { Counters } from '../observe/metrics.js';
import type { Logger } from '../observe/log.js';
import type { Clusters } from '../rbd/clusters.js';
import type { PoolRef } from '../rbd/port.js';
import { whyDone, type Fence } from './fence-record.js';
import { RENEW_MS, type Fences } from './fences.js';
import type { Announce } from './node-state.js';
import { identityOf, type Installation } from './node-identity.js';
import type { NodeRegistration, NodeRegistry } from './node-registry.js';

/** Between two rounds, ms. */
const EVERY_MS = 60_000;
/** What a round may take in one cluster, ms. */
const CLUSTER_MS = 30_000;

/** Between two looks for nodes that are gone for good, ms. */
const FORGET_EVERY_MS = 86_400_000;

/** Fences of a cluster that are settled at the same time: each renewal waits for a map of the cluster. */
const WIDTH = 16;

/** How long a stop waits for the round that runs, ms: what is cut short is gone on with by the next controller. */
const STOP_MS = 1_000;

export const FENCES_METRIC = 'berth_fences_total';
/** Its label `what`. */
export const FENCE_ENDS = ['fenced', 'failed', 'renewed', 'done', 'lapsed'] as const;

export interface FenceKeeperParts {
  readonly fences: Pick<Fences, 'all' | 'blocked' | 'renew' | 'leaveToLapse' | 'forget'>;
  readonly nodes: Pick<NodeRegistry, 'find' | 'forgetDead'>;
  readonly installation: Pick<Installation, 'id'>;
  readonly clusters: Pick<Clusters, 'all' | 'registry'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly counters: Pick<Counters, 'count'>;
  readonly announce: Announce;
  readonly now: () => Date;
}

export class FenceKeeper {
  readonly #parts: FenceKeeperParts;
  readonly #rounds: Rounds;
  /** By cluster, as they were found last. */
  readonly #found = new Map<string, readonly Fence[]>();
  /** By cluster, when nodes that are gone were looked for last, ms. */
  readonly #forgotten = new Map<string, number>();

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

  /** By cluster: those that are kept up, and those that are left to lapse. */
  standing(): ReadonlyMap<string, { readonly kept: number; readonly done: number }> {
    const counted = [...this.#found].map(([cluster, all]) => {
      const done = all.filter((fence) => fence.done !== undefined).length;
      return [cluster, { kept: all.length - done, done }] as const;
    });
    return new Map(counted);
  }

  /** Every cluster once; a cluster that does not answer costs a line in the log. */
  async round(): Promise<void> {
    const { clusters, log } = this.#parts;
    for (const { id } of await clusters.all()) {
      if (this.#rounds.stopped) return;
      try {
        const deadline = Deadline.after(CLUSTER_MS);
        await this.#settle(await clusters.registry(id, 'controller', deadline), deadline);
      } catch (error) {
        log.warn({ cluster: id, err: error }, 'fences could not be looked after; it will be tried again');
      }
    }
  }

  async #settle(registry: PoolRef, deadline: Deadline): Promise<void> {
    const { fences } = this.#parts;
    const all = await fences.all(registry, deadline);
    this.#found.set(registry.access.cluster, all);
    if (all.length > 0) await this.#settleEach(registry, all, deadline);
    await this.#forgetNodes(registry, all, deadline);
  }

  async #settleEach(registry: PoolRef, all: readonly Fence[], deadline: Deadline): Promise<void> {
    const { fences, log } = this.#parts;
    const blocked = await fences.blocked(registry, deadline);
    await workThrough(all, WIDTH, async (fence) => {
      try {
        await this.#settleOne(registry, fence, blocked.get(fence.instance), deadline);
      } catch (error) {
        // One that cannot be renewed (a cap is missing) is no reason to leave the others.
        if (deadline.expired) throw error;
        log.warn({ ...fence, err: error }, 'a fence could not be looked after; it will be tried again');
      }
    });
  }

  /** Once a day; a fence needs the word of its node, however old. */
  async #forgetNodes(registry: PoolRef, all: readonly Fence[], deadline: Deadline): Promise<void> {
    const { nodes, log, now } = this.#parts;
    const { cluster } = registry.access;
    const at = now().getTime();
    if (at - (this.#forgotten.get(cluster) ?? 0) < FORGET_EVERY_MS) return;
    this.#forgotten.set(cluster, at);
    const removed = await nodes.forgetDead(registry, new Set(all.map(({ node }) => node)), deadline);
    if (removed > 0) log.info({ cluster, removed }, 'nodes that are silent for ninety days are out of the registry');
  }

  /** @param until when it lapses in the cluster, ms; undefined where it is not on the blocklist */
  async #settleOne(registry: PoolRef, fence: Fence, until: number | undefined, deadline: Deadline): Promise<void> {
    if (fence.done !== undefined) {
      if (until === undefined) await this.#forget(registry, fence, deadline);
      return;
    }
    const why = whyDone(fence, await this.#lastWord(registry, fence, deadline));
    if (why === undefined) await this.#keep(registry, fence, until, deadline);
    else await this.#leave(registry, fence, until, why, deadline);
  }

  /**
   * Of the very node that was fenced, whichever installation's it is: any controller keeps any fence up, for whoever
   * has the volume next needs it. A record of an earlier Berth is taken for this installation's.
   */
  async #lastWord(registry: PoolRef, fence: Fence, deadline: Deadline): Promise<NodeRegistration | undefined> {
    const { nodes, installation } = this.#parts;
    const node = { ...identityOf(fence), installation: fence.installation ?? installation.id };
    return (await nodes.find(registry, node, deadline)).registration;
  }

  async #keep(registry: PoolRef, fence: Fence, until: number | undefined, deadline: Deadline): Promise<void> {
    const { fences, log, counters, now } = this.#parts;
    if (!fence.made || (until !== undefined && until - now().getTime() >= RENEW_MS)) return;
    await fences.renew(registry, fence, until, deadline);
    counters.count(FENCES_METRIC, { what: 'renewed' });
    log.info({ ...fence, until }, 'a fence was renewed');
  }

  async #leave(
    registry: PoolRef,
    fence: Fence,
    until: number | undefined,
    why: string,
    deadline: Deadline,
  ): Promise<void> {
    const { fences, log, counters, announce, installation } = this.#parts;
    if (!(await fences.leaveToLapse(registry, fence, why, deadline))) return;
    log.info({ ...fence, until, why }, 'a fence has done its work and is left to lapse');
    if (!fence.made) return;
    counters.count(FENCES_METRIC, { what: 'done' });
    // Another installation's orchestrator has a node of that name, and it is not this one.
    if ((fence.installation ?? installation.id) !== installation.id) return;
    const { node, instance, client } = fence;
    const lapses = until === undefined ? 'is not blocked any more' : `stays out until ${new Date(until).toISOString()}`;
    const message = `the node may use the cluster by new clients; ${client} at ${instance} ${lapses}: ${why}`;
    announce({ kind: 'Normal', reason: 'NodeUnfenced', message, about: { node } });
  }

  async #forget(registry: PoolRef, fence: Fence, deadline: Deadline): Promise<void> {
    const { fences, log, counters } = this.#parts;
    if (!(await fences.forget(registry, fence, deadline))) return;
    counters.count(FENCES_METRIC, { what: 'lapsed' });
    log.info({ ...fence }, 'a fence has lapsed');
  }

  async #tellRound(): Promise<void> {
    try {
      await this.round();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'fences could not be looked after; it will be tried again');
    }
  }
}
