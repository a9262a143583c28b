/** Counts wrong tokens by where they come from: after a few, nobody there is heard for the rest of a minute. */

/** Wrong tokens from one address in one window. */
const MOST = 10;
const WINDOW_MS = 60_000;
/** Addresses that are remembered: the oldest is forgotten for one more. */
const ADDRESSES = 1_000;

export class WrongTokens {
  readonly #now: () => number;
  readonly #windows = new Map<string, { readonly ends: number; count: number }>();

  /** @param now in ms, of a clock that never goes back */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** For how many seconds nobody there is heard; 0 where he is. */
  waitSeconds(address: string): number {
    const window = this.#windows.get(address);
    if (window === undefined || window.count < MOST) return 0;
    return Math.max(0, Math.ceil((window.ends - this.#now()) / 1000));
  }

  /** True for the first of its window, which is worth a line in the log. */
  add(address: string): boolean {
    const window = this.#windows.get(address);
    if (window !== undefined && window.ends > this.#now()) {
      window.count += 1;
      return false;
    }
    this.#windows.delete(address);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size >= ADDRESSES && oldest !== undefined) this.#windows.delete(oldest);
    this.#windows.set(address, { ends: this.#now() + WINDOW_MS, count: 1 });
    return true;
  }
}
