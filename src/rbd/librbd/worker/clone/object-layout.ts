/** On which objects the bytes of an image lie. */

/** How librbd lays an image out over its objects (Striper::extent_to_file). */
export interface Layout {
  readonly objectSize: bigint;
  readonly stripeUnit: bigint;
  readonly stripeCount: bigint;
}

/** Bytes after which the objects begin anew. */
export const periodOf = ({ objectSize, stripeCount }: Layout): bigint => objectSize * stripeCount;

/** The object on which a byte lies. */
export function objectAt({ objectSize, stripeUnit, stripeCount }: Layout, offset: bigint): bigint {
  const block = offset / stripeUnit;
  const [stripe, place] = [block / stripeCount, block % stripeCount];
  return (stripe / (objectSize / stripeUnit)) * stripeCount + place;
}

/** The first byte of an object: none of it lies before. */
export const firstByteOf = ({ objectSize, stripeUnit, stripeCount }: Layout, object: bigint): bigint =>
  (object / stripeCount) * objectSize * stripeCount + (object % stripeCount) * stripeUnit;

/** The objects of extents (offset and length in turn) before the byte `end`, ascending, each once. */
export function objectsOn(layout: Layout, extents: BigUint64Array, end: bigint): bigint[] {
  const found = new Set<bigint>();
  for (let n = 0; n + 1 < extents.length; n += 2) {
    const [offset, length] = [extents[n] ?? 0n, extents[n + 1] ?? 0n];
    if (offset >= end) break;
    const first = offset - (offset % layout.stripeUnit);
    const behind = offset + length < end ? offset + length : end;
    for (let at = first; at < behind; at += layout.stripeUnit) found.add(objectAt(layout, at));
  }
  return [...found].sort((a, b) => (a < b ? -1 : 1));
}
