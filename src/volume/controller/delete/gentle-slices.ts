/**
 * Lets the purges of a controller work in slices that its calls hardly feel: while calls come, one at a time with a
 * rest behind each; while none do, all beside each other.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** So long nobody has called before purges take all that they can, ms. */
const QUIET_MS = 1_000;
/** What a slice should take, ms: while calls come, little more than it costs to open an image. */
const BUSY_SLICE_MS = 50;
const QUIET_SLICE_MS = 125;
/** While calls come, a rest is so many times as long as the slice before it, and at most so long, ms. */
const REST = 3;
const LONGEST_REST_MS = 2_000;
/** How often a rest looks whether it is still needed, ms. */
const LOOK_MS = 25;

export class GentleSlices {
  readonly #idleMs: () => number;
  /** By cluster, the end of the last slice in its line, and of the rest behind that. */
  readonly #lines = new Map<string, Promise<void>>();

  /** @param idleMs for how long no call has run, ms: 0 while one does */
  constructor(idleMs: () => number) {
    this.#idleMs = idleMs;
  }

  /** `work` on a cluster when it may; it is told how long it should take, in ms. */
  async run<T>(cluster: string, work: (targetMs: number) => Promise<T>): Promise<T> {
    if (this.#isQuiet()) return work(QUIET_SLICE_MS);
    const before = this.#lines.get(cluster) ?? Promise.resolve();
    const slice = before.then(async () => {
      const begun = performance.now();
      const value = await work(BUSY_SLICE_MS);
      return { value, took: performance.now() - begun };
    });
    const line = slice.then(
      ({ took }) => this.#rest(took),
      () => undefined,
    );
    this.#lines.set(cluster, line);
    return (await slice).value;
  }

  #isQuiet(): boolean {
    return this.#idleMs() >= QUIET_MS;
  }

  async #rest(sliceMs: number): Promise<void> {
    const until = performance.now() + Math.min(sliceMs * REST, LONGEST_REST_MS);
    while (performance.now() < until && !this.#isQuiet()) await sleep(LOOK_MS, undefined, { ref: false });
  }
}
