/** Something done again and again with a pause between, begun by nobody who waits for it, and ended in order. */
import { settledWithin } from './time-limit.js';

export interface RoundsOptions {
  /** From the end of a round to the next, in ms; a function is asked at that end. */
  readonly everyMs: number | (() => number);
  /**
   * Share of the pause by which it is longer or shorter by chance: what was started together does not stay together.
   */
  readonly jitter?: number;
  /** How long a stop waits for the round that runs, in ms. */
  readonly stopMs: number;
}

export class Rounds {
  readonly #round: () => Promise<void>;
  readonly #options: RoundsOptions;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  /** @param round never fails: what goes wrong in it is its own to tell */
  constructor(round: () => Promise<void>, options: RoundsOptions) {
    this.#round = round;
    this.#options = options;
  }

  /** A round that runs has to ask, and to begin nothing more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Begin; nobody waits for the first round. */
  start(): void {
    this.#running = this.#next();
  }

  /** Resolves when the running round has ended, at the latest after {@link RoundsOptions.stopMs}. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await settledWithin(this.#running, this.#options.stopMs);
  }

  async #next(): Promise<void> {
    await this.#round();
    if (this.#stopped) return;
    const { everyMs, jitter = 0 } = this.#options;
    const pause = typeof everyMs === 'number' ? everyMs : everyMs();
    this.#timer = setTimeout(() => this.start(), pause * (1 - jitter + 2 * jitter * Math.random()));
    // A socket keeps the process alive, not this timer.
    this.#timer.unref();
  }
}
