/**
 * Fences: client instances that the cluster is told not to serve, written down where every controller finds them again.
 */
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { Blocked, PoolRef, RbdPort } from '../rbd/port.js';
import { addVolume, latest, parseFence, type Fence } from './fence-record.js';
import type { ClientInstance, Holder } from './holder-record.js';
import { identityOf, recordedNode } from './node-identity.js';

/** An omap beside `berth.nodes`: instance -> JSON. `rados listomapvals berth.fences` shows it. */
export const FENCES_OBJECT = 'berth.fences';

/**
 * How long a fence lasts without anybody's care, s: a controller that is down for weeks must not let a frozen machine
 * write, and a cluster whose Berth was removed must forget it some day.
 */
export const FENCE_S = 30 * 86_400;
/**
 * How long it lasts once it had to be renewed, s. Its node has been away for weeks then, and a renewal opens the fence
 * for a moment: there had better be few of them.
 */
export const RENEWED_S = 365 * 86_400;
/** With less than this left it is renewed, ms. */
export const RENEW_MS = 10 * 86_400_000;
const PAGE = 256;

export interface FenceRequest {
  readonly volume: string;
  readonly holder: Holder;
  readonly clients: readonly ClientInstance[];
  readonly evidence: string;
  readonly heard: string | undefined;
}

export class Fences {
  readonly #rbd: RbdPort;
  readonly #now: () => Date;

  constructor(rbd: RbdPort, now: () => Date = () => new Date()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * Write it down as an intent, fence, see that it is so, and write that down. BERTH_FENCE_FAILED where the cluster
   * does not show it, BERTH_CEPH_DENIED without the caps. When it returns, our own connection has the cluster's map
   * that contains the fence.
   */
  async fence(registry: PoolRef, request: FenceRequest, deadline: Deadline): Promise<void> {
    const intents = request.clients.map((client) => this.#intentOf(request, client));
    const before = await this.blocked(registry, deadline);
    for (const intent of intents) {
      const isListed = before.has(intent.instance);
      await this.#change(registry, intent.instance, deadline, (present) => addVolume(present, intent, isListed));
    }
    for (const { instance } of intents) await this.#list(registry, instance, before.get(instance), FENCE_S, deadline);
    const after = await this.blocked(registry, deadline);
    const missing = intents.find(({ instance }) => !after.has(instance));
    if (missing !== undefined)
      throw berthError('BERTH_FENCE_FAILED', { instance: missing.instance, cluster: registry.access.cluster });
    for (const intent of intents) {
      const made = (present: Fence = intent): Fence => ({ ...present, made: true });
      await this.#change(registry, intent.instance, deadline, made);
    }
  }

  /**
   * Which of these instances are fenced by us, and until when by the cluster's word. What somebody else listed (a
   * client that broke its lock, for an hour) ends without anybody looking after it, and proves nothing; no more does a
   * fence that was done with and is left to lapse. When it returns, our own connection has the cluster's map that
   * contains them, whoever made them: a holder record that is written on this word tells every OSD of it.
   */
  async standing(
    registry: PoolRef,
    instances: readonly string[],
    deadline: Deadline,
  ): Promise<ReadonlyMap<string, number>> {
    const records = await this.#rbd.getRecords(registry, FENCES_OBJECT, instances, deadline);
    const standing = fencesOf(records).filter(({ made, done }) => made && done === undefined);
    if (standing.length === 0) return new Map();
    const blocked = await this.blocked(registry, deadline);
    return new Map(standing.map(({ instance }) => [instance, blocked.get(instance) ?? 0]));
  }

  /** Instance -> until, ms. */
  async blocked(registry: PoolRef, deadline: Deadline): Promise<ReadonlyMap<string, number>> {
    const entries = await this.#rbd.blocklisted(registry.access, deadline);
    return new Map(entries.map(({ instance, until }: Blocked) => [instance, until]));
  }

  /** All that are written down; one that a later Berth wrote, or that cannot be read, is left out and so left alone. */
  async all(registry: PoolRef, deadline: Deadline): Promise<readonly Fence[]> {
    const fences: Fence[] = [];
    for (let after = ''; ; ) {
      const page = await this.#rbd.listRecords(registry, FENCES_OBJECT, after, PAGE, deadline);
      fences.push(...fencesOf(page));
      const last = [...page.keys()].at(-1);
      if (last === undefined || page.size < PAGE) return fences;
      after = last;
    }
  }

  /**
   * Make it last longer. A cluster that lists an instance already does not change its time, so it is taken off and put
   * on again: for the moment of one map of the cluster it is open, which is why a fence lasts so long.
   */
  async renew(registry: PoolRef, { instance }: Fence, until: number | undefined, deadline: Deadline): Promise<void> {
    await this.#list(registry, instance, until, RENEWED_S, deadline);
  }

  /**
   * Look after it no longer. It stays on the blocklist until it lapses there: whatever was fenced must not come back
   * while it could write. False where the record has changed since `fence` was read.
   */
  leaveToLapse(registry: PoolRef, fence: Fence, why: string, deadline: Deadline): Promise<boolean> {
    const at = this.#now().toISOString();
    return this.#change(registry, fence.instance, deadline, (present) =>
      isSame(present, fence) ? { ...fence, done: { at, why } } : 'keep',
    );
  }

  /** Forget one that has lapsed; false where the record has changed since `fence` was read. */
  forget(registry: PoolRef, fence: Fence, deadline: Deadline): Promise<boolean> {
    return this.#change(registry, fence.instance, deadline, (present) => (isSame(present, fence) ? undefined : 'keep'));
  }

  async #list(
    registry: PoolRef,
    instance: string,
    until: number | undefined,
    seconds: number,
    deadline: Deadline,
  ): Promise<void> {
    const { access } = registry;
    if (until !== undefined && until - this.#now().getTime() >= RENEW_MS) return;
    // Put there by somebody else, such as a client that broke its lock, for an hour; or our own, which is nearly over.
    if (until !== undefined) await this.#rbd.unblocklist(access, instance, deadline);
    await this.#rbd.blocklist(access, instance, seconds, deadline);
  }

  /**
   * Change a record as `decide` says of what it is now, undefined to remove it; false where that was to keep it. Who
   * loses a race decides anew: somebody made progress, and the deadline ends it.
   */
  async #change(
    registry: PoolRef,
    instance: string,
    deadline: Deadline,
    decide: (present: Fence | undefined) => Fence | undefined | 'keep',
  ): Promise<boolean> {
    for (;;) {
      const text = (await this.#rbd.getRecords(registry, FENCES_OBJECT, [instance], deadline)).get(instance);
      const next = decide(text === undefined ? undefined : parseFence(instance, text));
      if (next === 'keep') return false;
      const wanted = next === undefined ? undefined : JSON.stringify(next);
      if (await this.#rbd.compareAndSetRecord(registry, FENCES_OBJECT, instance, text, wanted, deadline)) return true;
    }
  }

  #intentOf({ volume, holder, evidence, heard }: FenceRequest, { address, client }: ClientInstance): Fence {
    const { bootId, at } = holder;
    const node = recordedNode(identityOf(holder));
    const since = this.#now().toISOString();
    const boot = bootId === undefined ? {} : { bootId };
    // A registration that was looked up before the stage, and is written only now, knows nothing of the fenced client.
    const last = latest(heard, at);
    const said = last === undefined ? {} : { heard: last };
    return { version: 1, instance: address, client, ...node, ...boot, volume, since, ...said, evidence, made: false };
  }
}

const isSame = (one: Fence | undefined, other: Fence): boolean => JSON.stringify(one) === JSON.stringify(other);

const fencesOf = (records: ReadonlyMap<string, string>): readonly Fence[] =>
  [...records].map(([instance, text]) => parseFence(instance, text)).filter((fence) => fence !== undefined);
