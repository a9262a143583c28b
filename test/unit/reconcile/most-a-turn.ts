/** Counts what is done between two turns of the event loop: how long calls and timers wait at most. */

/** The most of what `seen` is told of between two turns of the event loop, while `work` runs. */
export async function mostATurn(work: (seen: () => void) => Promise<unknown>): Promise<number> {
  let slice = 0;
  let longest = 0;
  const ended = new AbortController();
  const turns = (async () => {
    while (!ended.signal.aborted) {
      await new Promise(setImmediate);
      slice = 0;
    }
  })();
  await work(() => (longest = Math.max(longest, (slice += 1))));
  ended.abort();
  await turns;
  return longest;
}
