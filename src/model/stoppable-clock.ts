/** A clock that stands still while work runs that nobody may hurry: the deadlines that go by it wait for its end. */
export class StoppableClock {
  /** How long it has stood still before, in ms. */
  #stood = 0;
  /** Since when it stands still, as `performance.now()`, and for how many pieces of work. */
  #since = 0;
  #works = 0;

  /** Does it stand still, or has it ever? */
  get hasStoodStill(): boolean {
    return this.#works > 0 || this.#stood > 0;
  }

  /** Milliseconds, from the same beginning as `performance.now()`, without those in which it stood still. */
  now(): number {
    return (this.#works > 0 ? this.#since : performance.now()) - this.#stood;
  }

  /** The result of `work`, during which it stands still. */
  async standStill<T>(work: () => Promise<T>): Promise<T> {
    if (this.#works === 0) this.#since = performance.now();
    this.#works += 1;
    try {
      return await work();
    } finally {
      this.#works -= 1;
      if (this.#works === 0) this.#stood += performance.now() - this.#since;
    }
  }
}
