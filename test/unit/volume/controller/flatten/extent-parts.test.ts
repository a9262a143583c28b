/** Extents as slices take them. */
import { expect, it } from 'vitest';
import { endOfExtents, extentsFrom, firstExtents } from '../../../../../src/volume/controller/flatten/extent-parts.js';

const GiB = 1n << 30n;
const of = (...numbers: bigint[]): BigUint64Array => BigUint64Array.from(numbers);

it('a slice gets so many extents and so many bytes, and at least some of the first', () => {
  expect(firstExtents(of())).toEqual(of());
  expect(firstExtents(of(8n, 4n, 16n, 4n))).toEqual(of(8n, 4n, 16n, 4n));
  expect(firstExtents(of(8n, 3n * GiB, 4n * GiB, 4n))).toEqual(of(8n, GiB));
  expect(firstExtents(of(0n, GiB - 1n, 2n * GiB, 4n, 3n * GiB, 4n))).toEqual(of(0n, GiB - 1n, 2n * GiB, 1n));
  const many = BigUint64Array.from({ length: 1_000 }, (_, n) => BigInt(n % 2 === 0 ? 4 * n : 1));
  expect(firstExtents(many)).toEqual(many.slice(0, 512));
});

it('what is left begins at the byte that is to be next, also within an extent', () => {
  const all = of(8n, 4n, 16n, 4n);
  expect(extentsFrom(all, 0n)).toEqual(all);
  expect(extentsFrom(all, 9n)).toEqual(of(9n, 3n, 16n, 4n));
  for (const byte of [12n, 14n, 16n]) expect(extentsFrom(all, byte)).toEqual(of(16n, 4n));
  for (const byte of [20n, 99n]) expect(extentsFrom(all, byte)).toEqual(of());
  expect(extentsFrom(of(), 0n)).toEqual(of());
  expect(all).toEqual(of(8n, 4n, 16n, 4n));
});

it('all of a part is taken, slice after slice, each byte once', () => {
  const all = of(0n, 5n * GiB, 6n * GiB, 7n);
  let bytes = 0n;
  for (let rest = all; rest.length > 0; rest = extentsFrom(rest, endOfExtents(firstExtents(rest)))) {
    const some = firstExtents(rest);
    for (let n = 1; n < some.length; n += 2) bytes += some[n]!;
  }
  expect(bytes).toBe(5n * GiB + 7n);
});
