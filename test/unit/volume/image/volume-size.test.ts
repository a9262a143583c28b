/** Sizes: what was asked is honoured at both ends, or refused; never silently something else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBerthError } from '../../../../src/model/errors.js';
import {
  checkRange,
  chooseSize,
  DEFAULT_SIZE,
  satisfies,
  SECTOR,
  type SizeRange,
} from '../../../../src/volume/image/volume-size.js';

const MiB = 1024n * 1024n;
const INT64 = 2n ** 63n - 1n;
/** Small numbers, sizes near whole units, and the ends of int64. */
const size = fc.oneof(
  fc.bigInt({ min: 0n, max: 5000n }),
  fc.tuple(fc.bigInt({ min: 0n, max: 4096n }), fc.bigInt({ min: -513n, max: 513n })).map(([n, off]) => n * MiB + off),
  fc.bigInt({ min: -5n, max: INT64 }),
  fc.bigInt({ min: INT64 - 3n * MiB, max: INT64 }),
);
const range = fc.record({ required: size, limit: fc.oneof(fc.constant(0n), size) });
const minimum = fc.constantFrom(0n, MiB, 16n * MiB, 300n * MiB);

/** Undefined where it was refused; anything but a refusal of the catalogue is thrown on. */
function chosen(asked: SizeRange | undefined, least: bigint): bigint | undefined {
  try {
    return chooseSize(asked, least);
  } catch (error) {
    if (isBerthError(error, 'BERTH_SIZE_OUT_OF_RANGE', 'BERTH_FIELD_INVALID')) return undefined;
    throw error;
  }
}

const isValid = ({ required, limit }: SizeRange): boolean =>
  required >= 0n && limit >= 0n && required + limit > 0n && (limit === 0n || required <= limit);

describe('a chosen size', () => {
  it('is inside the asked range, not below the minimum, whole sectors, and fits an int64', () => {
    fc.assert(
      fc.property(range, minimum, (asked, least) => {
        const got = chosen(asked, least);
        if (got === undefined) return;
        expect(got).toBeGreaterThanOrEqual(asked.required);
        expect(got).toBeGreaterThanOrEqual(least);
        expect(got > 0n && got % SECTOR === 0n && got <= INT64).toBe(true);
        if (asked.limit > 0n) expect(got).toBeLessThanOrEqual(asked.limit);
        expect(satisfies(got, asked)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('is whole MiB, and no more than the next one, wherever the limit allows', () => {
    fc.assert(
      fc.property(range, minimum, (asked, least) => {
        fc.pre(isValid(asked) && asked.required > 0n);
        const wanted = asked.required > least ? asked.required : least;
        const rounded = ((wanted + MiB - 1n) / MiB) * MiB;
        fc.pre(rounded <= (asked.limit === 0n ? INT64 : asked.limit));
        expect(chosen(asked, least)).toBe(rounded);
      }),
      { numRuns: 2000 },
    );
  });

  it('is refused only where no size at all would do', () => {
    fc.assert(
      fc.property(range, minimum, (asked, least) => {
        if (chosen(asked, least) !== undefined) return;
        const floor = asked.required > least ? asked.required : least;
        const ceiling = asked.limit === 0n ? INT64 : asked.limit;
        const largest = (ceiling / SECTOR) * SECTOR;
        expect(!isValid(asked) || largest < floor || largest === 0n).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[string, SizeRange | undefined, bigint, bigint]>([
    ['the default where nobody says', undefined, 0n, DEFAULT_SIZE],
    ['the minimum where that is more', undefined, 2n * DEFAULT_SIZE, 2n * DEFAULT_SIZE],
    ['exactly what the limit forces', { required: 512n, limit: 512n }, 0n, 512n],
    ['one MiB for one byte', { required: 1n, limit: 0n }, 0n, MiB],
    ['sectors where a MiB is too much', { required: MiB + 1n, limit: MiB + 512n }, 0n, MiB + 512n],
    ['the limit below the default', { required: 0n, limit: 3n * MiB }, 0n, 3n * MiB],
    ['below a crooked limit', { required: 0n, limit: 3n * MiB + 100n }, 0n, 3n * MiB],
    ['the default below a high limit', { required: 0n, limit: 9n * DEFAULT_SIZE }, 0n, DEFAULT_SIZE],
  ])('is %s', (_what, asked, least, expected) => {
    expect(chooseSize(asked, least)).toBe(expected);
  });

  it.each<[string, SizeRange, bigint]>([
    ['513 bytes and no more', { required: 513n, limit: 513n }, 0n],
    ['less than a sector', { required: 0n, limit: 511n }, 0n],
    ['less than the filesystem needs', { required: 0n, limit: 100n * MiB }, 300n * MiB],
    ['more than an int64 after rounding', { required: INT64, limit: 0n }, 0n],
    ['a limit below what is required', { required: 2n, limit: 1n }, 0n],
  ])('is refused for %s', (_what, asked, least) => {
    expect(() => chooseSize(asked, least)).toThrow(/BERTH_SIZE_OUT_OF_RANGE/);
  });
});

describe('a range', () => {
  it.each<SizeRange>([
    { required: -1n, limit: 0n },
    { required: 0n, limit: -1n },
    { required: 0n, limit: 0n },
  ])('that says nothing or is negative is no range: %o', (asked) => {
    for (const use of [() => checkRange(asked), () => chooseSize(asked, 0n), () => satisfies(1n, asked)]) {
      expect(use).toThrow(/BERTH_FIELD_INVALID: capacity_range/);
    }
  });

  it('is satisfied by what lies in it, its ends included', () => {
    const asked = { required: 10n, limit: 20n };
    expect([9n, 10n, 20n, 21n].map((one) => satisfies(one, asked))).toEqual([false, true, true, false]);
    expect(satisfies(INT64, { required: 10n, limit: 0n })).toBe(true);
    expect(satisfies(1n, undefined)).toBe(true);
  });
});
