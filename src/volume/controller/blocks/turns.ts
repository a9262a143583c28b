/** So much work at a time, in the order of asking. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param width how much of it runs at a time */
  constructor(width: number) {
    this.#free = width;
  }

  /** Run `work` when its turn comes; whoever must not wait for ever bounds the work of the others. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
