/**
 * Which images are none of ours, by their ids: a list that is asked for every minute reads none of them again for an
 * hour or two.
 */
import type { PoolRef } from '../../../rbd/port.js';

/** An image without a record may be one that is being created: a read that is so much later has to say the same, ms. */
const SETTLE_MS = 120_000;
/** It is read again after so long, and up to as much later, ms: all of them at a time would be a storm. */
const FORGET_MS = 3_600_000;
/** So long where any controller, of whom this one hears nothing, may change what is remembered, ms. */
const SNAPSHOT_FORGET_MS = 300_000;
/** Some 14 MB. Images beyond that are read by every list. */
const LIMIT = 100_000;

/** When it was first seen without a record, or, once that has settled, when it was last read; ms. */
interface Sighting {
  since: number;
  settled: boolean;
}

export class ForeignImages {
  /** By place and by image id. */
  readonly #places = new Map<string, Map<string, Sighting>>();
  readonly #now: () => number;
  readonly #limit: number;
  readonly #lifeMs: number;
  #size = 0;
  #prunedAt = Number.NEGATIVE_INFINITY;

  /** @param now in ms, never backwards */
  constructor(now: () => number = () => performance.now(), limit = LIMIT, lifeMs = FORGET_MS) {
    this.#now = now;
    this.#limit = limit;
    this.#lifeMs = lifeMs;
  }

  /** Those on which no snapshot of ours stands: another controller may take one at any time, and this one lists it. */
  static withoutSnapshots(now?: () => number): ForeignImages {
    return new ForeignImages(now, LIMIT, SNAPSHOT_FORGET_MS);
  }

  /** True where it need not be read: it was read twice, two minutes apart and not long ago, and had no record. */
  knows(place: PoolRef, id: string): boolean {
    const seen = this.#places.get(keyOf(place))?.get(id);
    return seen?.settled === true && this.#now() - seen.since < this.#lifeMs * spreadOf(id);
  }

  /** It was read just now, and has no record. */
  saw(place: PoolRef, id: string): void {
    const key = keyOf(place);
    const images = this.#places.get(key) ?? new Map<string, Sighting>();
    const seen = images.get(id);
    const now = this.#now();
    if (seen !== undefined) {
      // A read that began before the record came may end after it: only a second one, long behind it, tells.
      if (!seen.settled && now - seen.since < SETTLE_MS) return;
      seen.settled = true;
      seen.since = now;
      return;
    }
    if (this.#size >= this.#limit) this.#prune(now);
    if (this.#size >= this.#limit) return;
    images.set(id, { since: now, settled: false });
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
      for (const [id, { since }] of images) {
        if (now - since < 3 * this.#lifeMs) continue;
        images.delete(id);
        this.#size -= 1;
      }
    }
  }
}

/** An id is unique in its pool, and no image gets it again. */
const keyOf = ({ access: { cluster }, pool, namespace }: PoolRef): string => `${cluster}/${pool}/${namespace}`;

/** Spread by the id, whose last digits are random. */
const spreadOf = (id: string): number => 1 + Number.parseInt(`0${id.slice(-4)}`, 16) / 0x1_0000;
