/** Extents (offset and length in turn, ascending) as slices take them: some of the first, and what is left. Pure. */

/** So many at most, for each slice sends them to the worker; and so many bytes, for it names each object of theirs. */
const MOST = 256;
const MOST_BYTES = 1n << 30n;

/** The first of them; none where there are none. */
export function firstExtents(extents: BigUint64Array): BigUint64Array {
  const some: bigint[] = [];
  let left = MOST_BYTES;
  for (let n = 0; n + 1 < extents.length && n < 2 * MOST && left > 0n; n += 2) {
    const [offset, length] = [extents[n] ?? 0n, extents[n + 1] ?? 0n];
    some.push(offset, length < left ? length : left);
    left -= length;
  }
  return BigUint64Array.from(some);
}

/** The byte behind the last of them. */
export const endOfExtents = (extents: BigUint64Array): bigint => (extents.at(-2) ?? 0n) + (extents.at(-1) ?? 0n);

/** What of them is at this byte or behind it. */
export function extentsFrom(extents: BigUint64Array, byte: bigint): BigUint64Array {
  let n = 0;
  while (n < extents.length && endOfExtents(extents.subarray(n, n + 2)) <= byte) n += 2;
  const rest = extents.slice(n);
  const [offset = byte, length = 0n] = rest;
  if (offset < byte) rest.set([byte, offset + length - byte]);
  return rest;
}
