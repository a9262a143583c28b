/** By which call of the parent a long C function works, and that it is getting on: librbd tells each object. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { permanentCallback } from './c-functions.js';

/** Between two words of one call, in ms. */
const EVERY_MS = 1_000;

const calls = new AsyncLocalStorage<number>();
const lastWords = new Map<number, number>();
let tell: (call: number) => void = () => undefined;

/** Who is told of each call that gets on, at most once a second. */
export function onProgress(listener: (call: number) => void): void {
  tell = listener;
}

/** What `work` begins in C is this call's. */
export async function asCall<T>(call: number, work: () => Promise<T>): Promise<T> {
  try {
    return await calls.run(call, work);
  } finally {
    lastWords.delete(call);
  }
}

/** For the last argument of a C function that takes a progress function: whose it is. */
export const thisCall = (): bigint => BigInt(calls.getStore() ?? 0);

/**
 * The address of a progress function of librbd, which calls it without checking that there is one: for each object,
 * from a thread of its own that waits for the answer. Not for what passes over millions of objects that are not there.
 */
export const bindProgress = (): bigint =>
  permanentCallback(
    (_done: unknown, _total: unknown, call: number | bigint) => hear(Number(call)),
    'int berth_progress_cb(uint64_t done, uint64_t total, uint64_t call)',
  );

function hear(call: number): number {
  const now = performance.now();
  if (call !== 0 && now - (lastWords.get(call) ?? -EVERY_MS) >= EVERY_MS) {
    lastWords.set(call, now);
    tell(call);
  }
  return 0;
}
