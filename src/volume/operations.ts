/** One operation a volume: the same request joins the one that runs and gets its result, another is told what runs and since when. */
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';

/** What an operation is allowed to say of itself while it runs. */
export interface Operation {
  /** Name the step that begins now; it stands in every BUSY and DEADLINE answer until the next one. */
  step(name: string): void;
}

interface Running {
  readonly op: string;
  readonly fingerprint: string;
  readonly startedAt: number;
  step: string;
  result: Promise<unknown>;
}

export class Operations {
  readonly #running = new Map<string, Running>();

  /**
   * Run `body` as the only operation of `key`. A caller with the same `op` and `fingerprint` joins it; another gets BUSY.
   * A caller whose deadline passes gets DEADLINE, the operation goes on and a retry joins it.
   * The key is taken before the first await, so that two calls in one tick cannot both pass.
   */
  async run<T>(
    key: string,
    what: { readonly op: string; readonly fingerprint: string },
    deadline: Deadline,
    body: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    const present = this.#running.get(key);
    if (present !== undefined) {
      if (present.op !== what.op || present.fingerprint !== what.fingerprint) throw this.#busy(key, present);
      return this.#await(key, present, deadline) as Promise<T>;
    }
    const running: Running = { ...what, startedAt: performance.now(), step: 'start', result: Promise.resolve() };
    this.#running.set(key, running);
    // An async call, so that a body that throws at once frees the key as well.
    const start = async (): Promise<T> => body({ step: (name) => (running.step = name) });
    running.result = start().finally(() => this.#running.delete(key));
    // A result that nobody waits for any more must not end the process.
    running.result.catch(() => undefined);
    return this.#await(key, running, deadline) as Promise<T>;
  }

  /** Operations under way, for the drain and for a person who asks. */
  get size(): number {
    return this.#running.size;
  }

  #busy(key: string, { op, step, startedAt }: Running): Error {
    return fail('BUSY', { key, op, step, age: Math.round(performance.now() - startedAt), detail: '' });
  }

  async #await(key: string, running: Running, deadline: Deadline): Promise<unknown> {
    const ms = deadline.remaining();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const age = Math.round(performance.now() - running.startedAt);
        reject(
          fail('DEADLINE', {
            what: `${running.op} of ${key} (step ${running.step}, running since ${age} ms)`,
            ms: Math.round(ms),
          }),
        );
      }, ms);
    });
    try {
      return await Promise.race([running.result, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
