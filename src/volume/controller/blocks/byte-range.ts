/** Ranges of a volume's bytes: in order, joined where they touch, cut to what is wanted of them. Pure. */

/** From the first byte to the one behind the last. */
export interface ByteRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** The ranges of both lists, joined where they touch or overlap, in ascending order. */
export function joinRanges(some: readonly ByteRange[], others: readonly ByteRange[]): ByteRange[] {
  const sorted = [...some, ...others].filter(({ from, to }) => from < to).sort((a, b) => (a.from < b.from ? -1 : 1));
  const joined: ByteRange[] = [];
  for (const { from, to } of sorted) {
    const last = joined.at(-1);
    if (last === undefined || from > last.to) joined.push({ from, to });
    else if (to > last.to) joined.splice(-1, 1, { from: last.from, to });
  }
  return joined;
}

/** What of the ranges lies within `bounds`. */
export const cutRanges = (ranges: readonly ByteRange[], bounds: ByteRange): ByteRange[] =>
  ranges
    .map(({ from, to }) => ({ from: from < bounds.from ? bounds.from : from, to: to > bounds.to ? bounds.to : to }))
    .filter(({ from, to }) => from < to);
