/**
 * How many children run at a time: five hundred pods that start at once are five hundred mounts, and each is three
 * programs that load. The others wait in the order in which they came.
 */
import { berthError } from '../../model/errors.js';
import type { Deadline } from '../../model/deadline.js';

/**
 * Where nobody has ended for so long, ms, one more begins: those that run may hang with one cluster, and the others
 * must not wait for them.
 */
const STALL_MS = 1_000;

/** One that waits for its turn. */
type Waiting = () => void;

export class ChildGate {
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #stall: NodeJS.Timeout | undefined;

  /** @param limit how many at a time, while they get on */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Run `job` when it is its turn, at once where nobody waits; DEADLINE naming `what` where it does not come. */
  run<T>(job: () => Promise<T>, what: string, deadline: Deadline): Promise<T> {
    if (this.#running >= this.#limit || this.#waiting.size > 0)
      return this.#turn(what, deadline).then(() => this.#do(job));
    this.#running += 1;
    return this.#do(job);
  }

  async #do<T>(job: () => Promise<T>): Promise<T> {
    try {
      return await job();
    } finally {
      this.#end();
    }
  }

  /** Those that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  #turn(what: string, deadline: Deadline): Promise<void> {
    const ms = Math.ceil(deadline.remaining());
    return new Promise((resolve, reject) => {
      const begin: Waiting = () => {
        clearTimeout(late);
        this.#waiting.delete(begin);
        resolve();
      };
      const late = setTimeout(() => {
        this.#waiting.delete(begin);
        reject(berthError('BERTH_DEADLINE', { what, ms }));
      }, ms);
      this.#waiting.add(begin);
      this.#watch();
    });
  }

  #end(): void {
    clearTimeout(this.#stall);
    this.#stall = undefined;
    const [next] = this.#waiting;
    // Who ends hands his place on, also one that was made because nobody ended.
    if (next === undefined) this.#running -= 1;
    else next();
    this.#watch();
  }

  #watch(): void {
    if (this.#stall !== undefined || this.#waiting.size === 0) return;
    this.#stall = setTimeout(() => {
      this.#stall = undefined;
      const [next] = this.#waiting;
      if (next !== undefined) this.#running += 1;
      next?.();
      this.#watch();
    }, STALL_MS);
  }
}
