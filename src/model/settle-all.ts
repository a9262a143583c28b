/** Work side by side: waited for to the end of all of it, to the first that succeeds, or so much of it at a time. */
import { setImmediate as breathe } from 'node:timers/promises';

/** As Promise.all, but where one fails it waits for the others: they may work on what the caller takes down next. */
export async function settleAll<T extends readonly Promise<unknown>[]>(
  ...work: T
): Promise<{ [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Undefined as soon as one attempt succeeds; else, when all have failed, why each of them did. Never rejects. */
export async function whyAllFailed(attempts: readonly Promise<void>[]): Promise<string | undefined> {
  try {
    await Promise.any(attempts);
    return undefined;
  } catch (error) {
    const reasons = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [error];
    return reasons.map((one) => (one instanceof Error ? one.message : 'failed')).join('; ');
  }
}

/** After so many items the event loop has its turn, however quickly each was done: calls and timers wait for it. */
const SLICE = 100;

/**
 * `work` on each item, `width` of them at a time. No further one begins once `stopped` says so, or one has failed; that
 * error is thrown when those that run have ended.
 */
export async function workThrough<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<void> | void,
  stopped: () => boolean = () => false,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let begun = 0;
  let turn: Promise<unknown> = Promise.resolve();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && !failed && !stopped(); next = rest.next()) {
      begun += 1;
      if (begun % SLICE === 0) turn = breathe();
      await turn;
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await settleAll(...Array.from({ length: width }, worker));
}
