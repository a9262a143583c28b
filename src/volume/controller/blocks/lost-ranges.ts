/**
 * Which bytes may be there, or have become zeroes between two snapshots, without a word of it in librbd's fast-diff.
 * Pure; they are told, for a backup that lacks a block is none, and one that has a block too many is as good.
 */
import type { SpanFacts } from '../../../rbd/port/diff-port.js';
import { joinRanges, type ByteRange } from './byte-range.js';

/** In ascending order; for a span without a base, what a clone may have of the images below it. */
export function lostRanges({ base, target, leastBytes, tellsParents }: SpanFacts): readonly ByteRange[] {
  if (base === undefined) return tellsParents ? [] : joinRanges([{ from: 0n, to: target.parentBytes }], []);
  const shared = least(base.sizeBytes, target.sizeBytes);
  return joinRanges(
    // A snapshot between the two was smaller, so the image was cut and has grown again. The walk over the object maps
    // forgets what it knew beyond the smaller one (librbd before 17.2.8 and 18.2.2).
    [{ from: leastBytes, to: shared }],
    // A clone that was cut and has grown again sees no more of its parent than was left. It never had objects there.
    [{ from: target.parentBytes, to: least(base.parentBytes, shared) }],
  );
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
