/**
 * In which steps an image is made smaller: each so large that it takes about as long as it may, whatever an object
 * costs there. An image that holds nothing is through in a handful of steps, however large it is.
 */

/** How many objects the first step removes, and how many at least and at most a later one. */
const FIRST = 128n;
const LEAST = 16n;
const MOST = 1n << 24n;
/** By how much one step may be larger or smaller than the one before. */
const FACTOR = 4;
/** So many objects go with the image itself, in one removal. */
const LAST = 128n;

export class SlicePace {
  readonly #objectSize: bigint;
  #objects: bigint;
  #step = FIRST;

  constructor(sizeBytes: bigint, objectSizeBytes: number) {
    this.#objectSize = BigInt(objectSizeBytes);
    this.#objects = (sizeBytes + this.#objectSize - 1n) / this.#objectSize;
  }

  /** The size in bytes to which the image is to be cut next; undefined where what is left is removed whole. */
  next(): bigint | undefined {
    if (this.#objects <= LAST) return undefined;
    this.#objects = this.#objects - this.#step < LAST ? LAST : this.#objects - this.#step;
    return this.#objects * this.#objectSize;
  }

  /** The last step took so many ms; the next one should take `targetMs`. */
  took(ms: number, targetMs: number): void {
    const factor = Math.min(FACTOR, Math.max(1 / FACTOR, targetMs / Math.max(ms, 1)));
    const step = BigInt(Math.round(Number(this.#step) * factor));
    this.#step = step < LEAST ? LEAST : step > MOST ? MOST : step;
  }
}
