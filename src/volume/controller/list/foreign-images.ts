/**
 * Which images are none of ours, by their ids: a list that is asked for every minute reads none of them again for an
 * hour or two.
 */
import type { PoolRef } from '../../../rbd/port.js';

/** An image that had no record once may be one that is being created: it is read again until it is so old, ms. */
const SETTLE_MS = 120_000;
/** It is read again after so long, and up to as much later, ms: all of them at a time would be a storm. */
const FORGET_MS = 3_600_000;
/** Some 10 MB. Images beyond that are read by every list. */
const LIMIT = 100_000;

export class ForeignImages {
  /** By place and by image id, since when it has been known to have no record. */
  readonly #places = new Map<string, Map<string, number>>();
  readonly #now: () => number;
  readonly #limit: number;
  #size = 0;
  #prunedAt = Number.NEGATIVE_INFINITY;

  /** @param now in ms, never backwards */
  constructor(now: () => number = () => performance.now(), limit = LIMIT) {
    this.#now = now;
    this.#limit = limit;
  }

  /** True where it need not be read: it was seen without a record, more than once and not long ago. */
  knows(place: PoolRef, id: string): boolean {
    const since = this.#places.get(keyOf(place))?.get(id);
    if (since === undefined) return false;
    const age = this.#now() - since;
    return age >= SETTLE_MS && age < lifeOf(id);
  }

  /** It was read just now, and has no record. */
  saw(place: PoolRef, id: string): void {
    const key = keyOf(place);
    const images = this.#places.get(key) ?? new Map<string, number>();
    const since = images.get(id);
    const now = this.#now();
    if (since !== undefined) {
      // Read again because its time was over: it has settled long ago.
      if (now - since >= lifeOf(id)) images.set(id, now - SETTLE_MS);
      return;
    }
    if (this.#size >= this.#limit) this.#prune(now);
    if (this.#size >= this.#limit) return;
    images.set(id, now);
    this.#places.set(key, images);
    this.#size += 1;
  }

  /** Whoever uses the image through us: it may have got a record. */
  forget(place: PoolRef, id: string): void {
    if (this.#places.get(keyOf(place))?.delete(id) === true) this.#size -= 1;
  }

  /** Those that no list has met since their time was over are gone from Ceph. At most once a minute. */
  #prune(now: number): void {
    if (now - this.#prunedAt < 60_000) return;
    this.#prunedAt = now;
    for (const images of this.#places.values()) {
      for (const [id, since] of images) {
        if (now - since < 3 * FORGET_MS) continue;
        images.delete(id);
        this.#size -= 1;
      }
    }
  }
}

/** An id is unique in its pool, and no image gets it again. */
const keyOf = ({ access: { cluster }, pool, namespace }: PoolRef): string => `${cluster}/${pool}/${namespace}`;

/** Spread by the id, whose last digits are random. */
const lifeOf = (id: string): number => FORGET_MS * (1 + Number.parseInt(`0${id.slice(-4)}`, 16) / 0x1_0000);
