/**
 * What a pool can hold, asked of Ceph at most every few seconds: a burst of creates must not become a burst of `df`.
 */
import { withinDeadline } from '../../model/time-limit.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { PoolRef, PoolStats, RbdPort } from '../../rbd/port.js';

/** How old a figure may be, in ms; the manager itself refreshes them every few seconds only. */
const FRESH_MS = 10_000;

export class PoolCapacity {
  readonly #rbd: Pick<RbdPort, 'poolStats'>;
  readonly #figures = new Map<string, { readonly until: number; readonly stats: Promise<PoolStats> }>();

  constructor(rbd: Pick<RbdPort, 'poolStats'>) {
    this.#rbd = rbd;
  }

  async stats(at: PoolRef, deadline: Deadline): Promise<PoolStats> {
    const key = `${at.access.cluster}/${at.pool}/${at.access.user}`;
    const kept = this.#figures.get(key);
    if (kept !== undefined && kept.until > performance.now()) {
      // Somebody else began this question and may have more time than this caller.
      return withinDeadline(kept.stats, 'the capacity of a pool', deadline);
    }
    const stats = this.#rbd.poolStats(at, deadline);
    this.#figures.set(key, { until: performance.now() + FRESH_MS, stats });
    stats.catch(() => this.#figures.delete(key));
    return stats;
  }

  /** BERTH_SIZE_OUT_OF_RANGE for a volume (bytes) larger than all that the pool holds now and could still take. */
  async check(at: PoolRef, size: bigint, deadline: Deadline): Promise<void> {
    const { availableBytes, storedBytes } = await this.stats(at, deadline);
    if (availableBytes === undefined) return;
    const most = availableBytes + storedBytes;
    if (size > most) {
      throw berthError('BERTH_SIZE_OUT_OF_RANGE', {
        size,
        why: `pool ${at.pool} can hold ${most} bytes at the very most`,
      });
    }
  }
}
