/** Work side by side: waited for to the end of all of it, or to the first that succeeds. */

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
