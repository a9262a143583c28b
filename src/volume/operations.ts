/** One operation a volume: the same request joins the one that runs and gets its result, another is told what runs and since when. */
import { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';

/** What an operation is allowed to say of itself while it runs. */
export interface Operation {
  /** Name the step that begins now; it stands in every BUSY and DEADLINE answer until the next one. */
  step(name: string): void;
}

/** The operation's own deadline, not its first caller's: a patient caller that joins must not fail by a hurried one's clock. */
type Body<T> = (operation: Operation, deadline: Deadline) => Promise<T>;

interface What {
  readonly op: string;
  readonly fingerprint: string;
}

interface Running extends What {
  readonly startedAt: number;
  step: string;
  waiting: number;
  result: Promise<unknown>;
}

interface Ended extends What {
  readonly until: number;
  readonly value: unknown;
}

/** An operation that ended when its last caller had given up. */
export interface LateEnd {
  readonly key: string;
  readonly op: string;
  readonly ms: number;
  /** Undefined where it succeeded. */
  readonly error: unknown;
}

/** The least time an operation gets, in ms: a caller with little of it left may start what a retry will join. */
const BUDGET_MS = 60_000;
/** How long a success that nobody was there to hear is kept for the retry, in ms. */
const REMEMBER_MS = 120_000;

export class Operations {
  readonly #running = new Map<string, Running>();
  readonly #ended = new Map<string, Ended>();
  readonly #late: (end: LateEnd) => void;

  /** @param late told of every end that no caller waited for, so that the log has it */
  constructor(late: (end: LateEnd) => void = () => undefined) {
    this.#late = late;
  }

  /**
   * Run `body` as the only operation of `key`. A caller with the same `op` and `fingerprint` joins it; another gets BUSY.
   * A caller whose deadline passes gets DEADLINE; the operation goes on within its own time, a retry joins it or, where it has
   * succeeded meanwhile, gets that success at once.
   * The key is taken before the first await, so that two calls in one tick cannot both pass.
   */
  async run<T>(key: string, what: What, deadline: Deadline, body: Body<T>): Promise<T> {
    const present = this.#running.get(key);
    if (present !== undefined) {
      if (!isSame(present, what)) throw this.#busy(key, present);
      return this.#await(key, present, deadline) as Promise<T>;
    }
    const ended = this.#ended.get(key);
    this.#ended.delete(key);
    if (ended !== undefined && isSame(ended, what) && performance.now() < ended.until) return ended.value as T;
    return this.#await(key, this.#start(key, what, deadline, body), deadline) as Promise<T>;
  }

  /** Operations under way, for the drain and for a person who asks. */
  get size(): number {
    return this.#running.size;
  }

  #start<T>(key: string, { op, fingerprint }: What, deadline: Deadline, body: Body<T>): Running {
    const startedAt = performance.now();
    const running: Running = { op, fingerprint, startedAt, step: 'start', waiting: 0, result: Promise.resolve() };
    this.#running.set(key, running);
    const own = Deadline.after(Math.max(deadline.remaining(), BUDGET_MS));
    // An async call, so that a body that throws at once frees the key as well.
    const start = async (): Promise<T> => body({ step: (name) => (running.step = name) }, own);
    running.result = start().finally(() => this.#running.delete(key));
    running.result.then(
      (value) => this.#end(key, running, { value }),
      // A failure that nobody waits for any more must not end the process; a retry finds out for itself.
      (error: unknown) => this.#end(key, running, { error }),
    );
    return running;
  }

  #end(
    key: string,
    { op, fingerprint, startedAt, waiting }: Running,
    outcome: { value: unknown } | { error: unknown },
  ): void {
    if (waiting > 0) return;
    const ms = Math.round(performance.now() - startedAt);
    this.#late({ key, op, ms, error: 'error' in outcome ? outcome.error : undefined });
    if ('error' in outcome) return;
    for (const [old, { until }] of this.#ended) if (until < performance.now()) this.#ended.delete(old);
    this.#ended.set(key, { op, fingerprint, value: outcome.value, until: performance.now() + REMEMBER_MS });
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
        const what = `${running.op} of ${key} (step ${running.step}, running since ${age} ms)`;
        reject(fail('DEADLINE', { what, ms: Math.round(ms) }));
      }, ms);
    });
    running.waiting += 1;
    try {
      return await Promise.race([running.result, late]);
    } finally {
      running.waiting -= 1;
      clearTimeout(timer);
    }
  }
}

const isSame = (one: What, other: What): boolean => one.op === other.op && one.fingerprint === other.fingerprint;
