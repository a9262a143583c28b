/** Shares the worker's threads between clusters, so that one whose calls hang cannot keep the others waiting. */
import type { Deadline } from '../../../../model/deadline.js';
import { withinDeadline } from '../../../../model/time-limit.js';
import { refusalError } from '../../ceph-errors.js';

/** Threads that only a lane with less than its guarantee may take: the last ones are for the clusters that are well. */
const RESERVED = 4;
const GUARANTEED = 2;

interface Waiter {
  readonly lane: string;
  readonly begin: () => void;
}

export class Lanes {
  readonly #reserved: number;
  readonly #running = new Map<string, number>();
  readonly #waiting = new Set<Waiter>();
  #free: number;

  /** @param threads how many calls may run at a time */
  constructor(threads: number) {
    this.#free = threads;
    this.#reserved = Math.min(RESERVED, Math.floor(threads / 2));
  }

  /** Run `work` when its lane has a thread, in that lane's order of arrival; DEADLINE where that is not in time. */
  async run<T>(lane: string, deadline: Deadline, what: string, work: () => Promise<T>): Promise<T> {
    await this.#turn(lane, deadline, what);
    try {
      return await work();
    } finally {
      this.#leave(lane);
    }
  }

  #mayBegin(lane: string): boolean {
    if (this.#free <= 0) return false;
    return this.#free > this.#reserved || (this.#running.get(lane) ?? 0) < GUARANTEED;
  }

  #enter(lane: string): void {
    this.#free -= 1;
    this.#running.set(lane, (this.#running.get(lane) ?? 0) + 1);
  }

  #leave(lane: string): void {
    this.#free += 1;
    const left = (this.#running.get(lane) ?? 1) - 1;
    if (left === 0) this.#running.delete(lane);
    else this.#running.set(lane, left);
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#waiting.delete(next);
      this.#enter(next.lane);
      next.begin();
    }
  }

  /** Of the lane that has the fewest threads now, who came first: a long line of one cluster is before no other's. */
  #next(): Waiter | undefined {
    let best: Waiter | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    if (this.#free <= 0) return undefined;
    for (const waiter of this.#waiting) {
      const running = this.#running.get(waiter.lane) ?? 0;
      if (running >= fewest || !this.#mayBegin(waiter.lane)) continue;
      best = waiter;
      fewest = running;
      if (running === 0) break;
    }
    return best;
  }

  #turn(lane: string, deadline: Deadline, what: string): Promise<void> {
    if (this.#mayBegin(lane)) {
      this.#enter(lane);
      return Promise.resolve();
    }
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const waiter: Waiter = { lane, begin };
    this.#waiting.add(waiter);
    const giveUp = (ms: number): Error => {
      this.#waiting.delete(waiter);
      return refusalError('BERTH_DEADLINE', { what, ms });
    };
    return withinDeadline(begun, giveUp, deadline);
  }
}
