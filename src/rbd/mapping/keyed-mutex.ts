/**
 * One job at a time per key, in the order of asking. Mappers need it: between the check whether an image is mapped and
 * the map nobody else may map or unmap it, whatever volume he acts for.
 */
import { withinDeadline } from '../../model/time-limit.js';
import type { Deadline } from '../../model/deadline.js';

export class KeyedMutex {
  readonly #last = new Map<string, Promise<void>>();

  /** Run `job` when everybody before has ended; DEADLINE, and the job is never begun, where that takes too long. */
  async run<T>(key: string, deadline: Deadline, job: () => Promise<T>): Promise<T> {
    // Taken before the first await: two callers in one tick must not both think that they are first.
    const before = this.#last.get(key) ?? Promise.resolve();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const turn = before.then(() => ended);
    this.#last.set(key, turn);
    void turn.then(() => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    });
    try {
      await withinDeadline(before, `waiting for the operation before on ${key}`, deadline);
      return await job();
    } finally {
      end();
    }
  }

  /** Keys in use now; none when everybody has ended. */
  get size(): number {
    return this.#last.size;
  }
}
