/** Gathers extents, and joins those that touch or overlap: an image that is full is one extent, however large it is. */

/** Offset and length of each in turn. Numbers, for an offset is a multiple of the stripe unit: exact up to 2^65. */
export class ExtentList {
  #bounds: number[] = [];

  get length(): number {
    return this.#bounds.length / 2;
  }

  add(offset: number, length: number): void {
    const bounds = this.#bounds;
    const last = bounds.length - 2;
    if (last >= 0 && (bounds[last] ?? 0) + (bounds[last + 1] ?? 0) === offset)
      bounds[last + 1] = (bounds[last + 1] ?? 0) + length;
    else bounds.push(offset, length);
  }

  /** Those of `other`, which all lie behind these, sorted: a striped image's come in the order of objects. */
  append(other: ExtentList): void {
    const pairs = Array.from(
      { length: other.length },
      (_, n) => [other.#bounds[2 * n] ?? 0, other.#bounds[2 * n + 1] ?? 0] as const,
    );
    for (const [offset, length] of pairs.sort(([a], [b]) => a - b)) this.add(offset, length);
  }

  toArray(): BigUint64Array {
    return BigUint64Array.from(this.#bounds, BigInt);
  }
}
