/** Work side by side of which nothing may still run when it is over, whether it succeeded or not. */

/** As Promise.all, but where one fails it waits for the others: they may work on what the caller takes down next. */
export async function settleAll<T extends readonly Promise<unknown>[]>(
  ...work: T
): Promise<{ [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
