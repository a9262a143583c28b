/** Ranges of bytes: joined, cut, and what a span may have lost. */
import { describe, expect, it } from 'vitest';
import { cutRanges, joinRanges, type ByteRange } from '../../../../../src/volume/controller/blocks/byte-range.js';
import { lostRanges } from '../../../../../src/volume/controller/blocks/lost-ranges.js';

const range = (from: number, to: number): ByteRange => ({ from: BigInt(from), to: BigInt(to) });

describe('ranges', () => {
  it('that touch or overlap are one, whatever list they are from; empty ones are none', () => {
    expect(joinRanges([range(0, 4), range(8, 12), range(20, 24)], [range(4, 8), range(22, 30), range(40, 40)])).toEqual(
      [range(0, 12), range(20, 30)],
    );
    expect(joinRanges([range(0, 9)], [range(2, 3)])).toEqual([range(0, 9)]);
  });

  it('are cut to the bounds, and left out beyond them', () => {
    expect(cutRanges([range(0, 4), range(6, 12), range(20, 24)], range(2, 10))).toEqual([range(2, 4), range(6, 10)]);
  });
});

describe('what may be there, or have become zeroes, without a word', () => {
  const end = (size: number, parent = 0) => ({ sizeBytes: BigInt(size), parentBytes: BigInt(parent) });
  const lost = (base: ReturnType<typeof end>, target: ReturnType<typeof end>, least: number) =>
    lostRanges({ base, target, leastBytes: BigInt(least), isTracked: true, tellsParents: true });

  it('is nothing where the size stayed, grew or shrank', () => {
    expect(lost(end(40), end(40), 40)).toEqual([]);
    expect(lost(end(40), end(80), 40)).toEqual([]);
    expect(lost(end(40), end(18), 18)).toEqual([]);
    expect(lost(end(40, 40), end(80, 40), 40)).toEqual([]);
    expect(lost(end(40, 40), end(18, 18), 18)).toEqual([]);
    expect(
      lostRanges({ base: undefined, target: end(40), leastBytes: 18n, isTracked: true, tellsParents: true }),
    ).toEqual([]);
  });

  it("is all that a clone may have of its parent's where librbd does not tell that", () => {
    const of = (base: ReturnType<typeof end> | undefined, parent: number, tellsParents: boolean) =>
      lostRanges({ base, target: end(40, parent), leastBytes: 40n, isTracked: true, tellsParents });
    expect(of(undefined, 30, true)).toEqual([]);
    expect(of(undefined, 30, false)).toEqual([range(0, 30)]);
    expect(of(undefined, 0, false)).toEqual([]);
    expect(of(end(40, 30), 30, false)).toEqual([]);
  });

  it('is what was cut between the two and has grown again', () => {
    expect(lost(end(40), end(80), 18)).toEqual([range(18, 40)]);
    expect(lost(end(40), end(30), 18)).toEqual([range(18, 30)]);
  });

  it("is what a clone has no more of its parent's", () => {
    expect(lost(end(40, 40), end(40, 18), 40)).toEqual([range(18, 40)]);
    expect(lost(end(40, 20), end(40), 40)).toEqual([range(0, 20)]);
    expect(lost(end(40, 30), end(24, 10), 18)).toEqual([range(10, 24)]);
  });
});
