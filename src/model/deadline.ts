/**
 * A point in time by which an answer is due, handed down from the caller's RPC to every child process and Ceph call.
 */
import { StoppableClock } from './stoppable-clock.js';

/** How long an operation may take when its caller named no deadline, in ms (kubelet's own limit is two minutes). */
export const DEFAULT_BUDGET_MS = 60_000;

/** Node's timers fire at once for more than this, in ms; a caller that waits 24 days has no deadline. */
const LONGEST_MS = 2 ** 31 - 1;

export class Deadline {
  readonly #at: number;
  /** Shared by all that were made from one deadline: what stops one of them stops all. */
  readonly #clock: StoppableClock;

  private constructor(at: number, clock: StoppableClock) {
    this.#at = at;
    this.#clock = clock;
  }

  /** A deadline `ms` milliseconds from now, at most as far as a timer reaches. */
  static after(ms: number): Deadline {
    const clock = new StoppableClock();
    return new Deadline(clock.now() + Math.min(ms, LONGEST_MS), clock);
  }

  /** A deadline at a wall-clock date; `budgetMs` from now for an infinite or missing one. */
  static atDate(date: Date | number | undefined, budgetMs = DEFAULT_BUDGET_MS): Deadline {
    const at = date instanceof Date ? date.getTime() : date;
    if (at === undefined || !Number.isFinite(at)) return Deadline.after(budgetMs);
    return Deadline.after(at - Date.now());
  }

  /** Milliseconds left, never below zero. */
  remaining(): number {
    return Math.max(0, this.#at - this.#clock.now());
  }

  get expired(): boolean {
    return this.remaining() <= 0;
  }

  /** Has work been begun for which it stands still? What comes behind it belongs to it, or it was for nothing. */
  get hasStoodStill(): boolean {
    return this.#clock.hasStoodStill;
  }

  /** The earlier of this deadline and `ms` milliseconds from now: a step may not eat its operation's whole time. */
  within(ms: number): Deadline {
    return new Deadline(Math.min(this.#at, this.#clock.now() + ms), this.#clock);
  }

  /** This deadline brought forward by `ms`, so that an answer still reaches the caller in time. */
  less(ms: number): Deadline {
    return new Deadline(this.#at - ms, this.#clock);
  }

  /**
   * The result of `work`, for which nobody's patience counts: this deadline, and all that come from the same one, stand
   * still meanwhile. What comes after it has the time that was left before it.
   */
  standStill<T>(work: () => Promise<T>): Promise<T> {
    return this.#clock.standStill(work);
  }
}
