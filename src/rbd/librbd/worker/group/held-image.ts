/**
 * An image that is about to be cut: our client has its exclusive lock, nobody else writes, and librbd waits for our
 * word. From the question to the end of the cut the lock stays ours: a client that asks for it is told to wait.
 */
import { check, CephErrno, ECANCELED, refusalError } from '../../ceph-errors.js';
import type { Image } from '../../foreign/bindings.js';
import { withCells } from '../../foreign/c-memory.js';
import { forgetWatcher, nameWatcher } from '../../foreign/quiesce.js';
import type { OpenPool } from '../open-pool.js';

/** How often the lock may be lost to a busy writer between the moment that we get it and the cut. */
const ATTEMPTS = 20;

export class HeldImage {
  readonly #place: OpenPool;
  readonly #image: Image;
  readonly #snapshot: string;
  #watch = 0n;
  #questions = 0;
  #asked: () => void = () => undefined;
  #cutting: Promise<number> | undefined;
  #isAnswered = true;

  constructor(place: OpenPool, image: Image, snapshot: string) {
    this.#place = place;
    this.#image = image;
    this.#snapshot = snapshot;
  }

  /** Runs `work` while librbd asks us before a cut of this image. @throws BERTH_GROUP_UNFIT by a librbd before 16 */
  async watched<T>(work: () => Promise<T>): Promise<T> {
    const { rbd } = this.#place.link.ceph;
    if (rbd.quiesceWatch === undefined || rbd.quiesceUnwatch === undefined) {
      const why = 'the librbd of this machine is older than 16 and cannot hold several images at one moment';
      throw refusalError('BERTH_GROUP_UNFIT', { what: 'volumes', why });
    }
    const { quiesceWatch, quiesceUnwatch } = rbd;
    const watcher = nameWatcher(() => this.#question());
    try {
      this.#watch = await withCells(1, async (cells) => {
        const result = quiesceWatch.later(this.#image, rbd.onQuiesce, rbd.onUnquiesce, BigInt(watcher), cells.at(0));
        check(await result, 'watch for the cut');
        return cells.u64(0);
      });
      try {
        return await work();
      } finally {
        this.#answer(-ECANCELED);
        await this.#cutting;
        await quiesceUnwatch.later(this.#image, this.#watch);
      }
    } finally {
      forgetWatcher(watcher);
    }
  }

  /**
   * Comes back when librbd waits for {@link letGo} with the lock in our hands. Another client that has the lock may be
   * asked to cut instead of us: that cut is refused, and the lock asked for again.
   * @throws CephErrno EROFS where a client gives the lock to nobody; BERTH_GROUP_NOT_HELD
   */
  async hold(): Promise<void> {
    const { rbd } = this.#place.link.ceph;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      check(await rbd.flush.later(this.#image), 'acquire the exclusive lock');
      this.#questions = 0;
      const asked = new Promise<undefined>((resolve) => (this.#asked = () => resolve(undefined)));
      this.#cutting = rbd.createSnapshot.later(this.#image, this.#snapshot);
      const ended = await Promise.race([asked, this.#cutting]);
      // Nobody asked us: it was cut at no moment of ours.
      if (ended !== undefined && ended >= 0) throw this.#lost('it was cut before it was held');
      if (ended !== undefined) check(ended, `take snapshot ${this.#snapshot}`);
      if (await this.#isOwner()) return;
      this.#answer(-ECANCELED);
      if ((await this.#cutting) >= 0) throw this.#lost('another client has cut it');
    }
    throw this.#lost('its writers do not leave its exclusive lock to us');
  }

  /** Gives it up: nothing is cut if the cut has not begun. May be called at any time. */
  drop(): void {
    this.#answer(-ECANCELED);
  }

  /** Lets the cut go on; comes back when it is done. @throws CephErrno; BERTH_GROUP_NOT_HELD */
  async letGo(): Promise<void> {
    this.#answer(0);
    check((await this.#cutting) ?? -ECANCELED, `take snapshot ${this.#snapshot}`);
    // The cut that we held was somebody else's, which he had asked of us: ours came later.
    if (this.#questions !== 1) throw this.#lost('somebody else cut a snapshot of it');
  }

  #question(): void {
    this.#questions += 1;
    const isFirst = this.#questions === 1;
    this.#isAnswered = false;
    if (isFirst) this.#asked();
    else this.#answer(-ECANCELED);
  }

  #answer(result: number): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    void this.#place.link.ceph.rbd.quiesceComplete?.later(this.#image, this.#watch, result);
  }

  #isOwner(): Promise<boolean> {
    return withCells(1, async (cells) => {
      const result = await this.#place.link.ceph.rbd.isLockOwner.later(this.#image, cells.at(0));
      if (result < 0) throw new CephErrno(result, 'ask who has the exclusive lock');
      return cells.i32(0) !== 0;
    });
  }

  #lost(why: string): Error {
    return refusalError('BERTH_GROUP_NOT_HELD', { why });
  }
}
