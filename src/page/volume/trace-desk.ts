/**
 * Traces of single volumes for whoever looks: two at a time, one a volume, and the same answer to all who ask within a
 * few seconds. So a page that is open everywhere asks Ceph and the API as little as one that is open once.
 */
import type { VolumeNamed } from '../../diagnosis/trace/find-bound.js';
import type { VolumeTrace } from '../../diagnosis/trace/trace-volume.js';

/** What a trace may take from its begin, in ms. */
export const TRACE_MS = 8_000;
/** Traces at a time, and how many more may wait for one. */
const WIDTH = 2;
const WAITING = 16;
/** For how long an answer is good, in ms. */
const GOOD_MS = 5_000;

interface Kept {
  /** Undefined while it runs. */
  goodUntil: number | undefined;
  readonly trace: Promise<VolumeTrace>;
}

export class TraceDesk {
  readonly #trace: (named: VolumeNamed) => Promise<VolumeTrace>;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();
  readonly #line: (() => void)[] = [];
  #running = 0;

  /**
   * @param trace ends after {@link TRACE_MS}, whatever hangs
   * @param now in ms, of a clock that never goes back
   */
  constructor(trace: (named: VolumeNamed) => Promise<VolumeTrace>, now = () => performance.now()) {
    this.#trace = trace;
    this.#now = now;
  }

  /** Errors of the trace. Undefined where too many wait already. */
  look(named: VolumeNamed): Promise<VolumeTrace> | undefined {
    this.#forgetOld();
    const key = JSON.stringify(named);
    const known = this.#kept.get(key);
    if (known !== undefined) return known.trace;
    if (this.#line.length >= WAITING) return undefined;
    const kept: Kept = { goodUntil: undefined, trace: this.#inTurn(named) };
    this.#kept.set(key, kept);
    const ended = (): void => {
      kept.goodUntil = this.#now() + GOOD_MS;
    };
    kept.trace.then(ended, ended);
    return kept.trace;
  }

  async #inTurn(named: VolumeNamed): Promise<VolumeTrace> {
    if (this.#running >= WIDTH) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#running += 1;
    try {
      return await this.#trace(named);
    } finally {
      // The place goes to the next one, or is free.
      const next = this.#line.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #forgetOld(): void {
    for (const [key, { goodUntil }] of this.#kept)
      if (goodUntil !== undefined && goodUntil <= this.#now()) this.#kept.delete(key);
  }
}
