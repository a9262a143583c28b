/** Run numbered work at a fixed concurrency and time each piece and the whole. */

export interface Pace {
  readonly perSecond: number;
  /** Of each piece, in ms, in the order in which they ended. */
  readonly eachMs: readonly number[];
}

export async function atPace(
  count: number,
  concurrency: number,
  work: (index: number) => Promise<void>,
): Promise<Pace> {
  const eachMs: number[] = [];
  let next = 0;
  const started = performance.now();
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const begun = performance.now();
      await work(index);
      eachMs.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return { perSecond: count / ((performance.now() - started) / 1000), eachMs };
}
