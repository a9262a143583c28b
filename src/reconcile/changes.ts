/** What came and what went between two rounds, so that the log has each report once. */

export interface Changes<T> {
  readonly came: readonly T[];
  readonly gone: readonly T[];
}

/** @param keyOf two reports with the same key are the same one */
export function changesBetween<T>(before: readonly T[], next: readonly T[], keyOf: (one: T) => string): Changes<T> {
  const had = new Set(before.map(keyOf));
  const has = new Set(next.map(keyOf));
  return {
    came: next.filter((one) => !had.has(keyOf(one))),
    gone: before.filter((one) => !has.has(keyOf(one))),
  };
}
