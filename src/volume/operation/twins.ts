/**
 * The same request again while it is carried out: one result for both, for one request can be several operations in a
 * row.
 */
import { withinDeadline } from '../../model/time-limit.js';
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';

export class Twins<T> {
  readonly #running = new Map<string, Promise<T>>();

  /**
   * The result of `job`, or of the one with the same key that runs already. A caller joins at most until its own
   * deadline (DEADLINE, which names `what`), and runs its own job where the first caller had less time.
   */
  async run(key: string, what: string, deadline: Deadline, job: () => Promise<T>): Promise<T> {
    for (;;) {
      const first = this.#running.get(key);
      if (first === undefined) return this.#begin(key, job);
      try {
        return await withinDeadline(first, `${what}, which began before`, deadline);
      } catch (error) {
        if (!isBerthError(error, 'BERTH_DEADLINE') || deadline.expired) throw error;
      }
    }
  }

  #begin(key: string, job: () => Promise<T>): Promise<T> {
    // Gone before anybody hears of its end: who joined and tries again must not find it.
    const running = job().finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }
}
