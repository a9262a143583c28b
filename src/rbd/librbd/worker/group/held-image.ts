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
  #watcher: number | undefined;
  #watch: bigint | undefined;
  #isCutting = false;
  #questions = 0;
  #asked: () => void = () => undefined;
  #cutting: Promise<number> | undefined;
  #isAnswered = true;
  #answering: Promise<unknown> = Promise.resolve();

  constructor(place: OpenPool, image: Image, snapshot: string) {
    this.#place = place;
    this.#image = image;
    this.#snapshot = snapshot;
  }

  /**
   * Comes back when librbd waits for {@link letGo} with the lock in our hands. Another client that has the lock may be
   * asked to cut instead of us: that cut is refused, and the lock asked for again.
   * @throws CephErrno EROFS where a client gives the lock to nobody; BERTH_GROUP_NOT_HELD, BERTH_GROUP_UNFIT
   */
  async hold(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      check(await this.#place.link.ceph.rbd.flush.later(this.#image), 'acquire the exclusive lock');
      await this.#watchOn();
      this.#questions = 0;
      const asked = new Promise<undefined>((resolve) => (this.#asked = () => resolve(undefined)));
      this.#cutting = this.#cut();
      const ended = await Promise.race([asked, this.#cutting]);
      if (ended === undefined) {
        if (await this.#isOwner()) return;
        this.#answer(-ECANCELED);
      }
      const result = await this.#cutting;
      await this.#watchOff();
      // It was cut at no moment of ours.
      if (result >= 0) throw this.#lost('another client has cut it');
      if (result !== -ECANCELED) check(result, `take snapshot ${this.#snapshot}`);
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
    const result = (await this.#cutting) ?? -ECANCELED;
    if (result === -ECANCELED) throw this.#lost('somebody cancelled the cut');
    check(result, `take snapshot ${this.#snapshot}`);
    // The cut that we held was somebody else's, which he had asked of us: ours came later.
    if (this.#questions !== 1) throw this.#lost('somebody else cut a snapshot of it');
  }

  /** Must be called at last, before the image is closed: what is still held is given up. */
  async end(): Promise<void> {
    this.#answer(-ECANCELED);
    await this.#cutting;
    await this.#watchOff();
  }

  /**
   * Only while we have the lock: nobody else cuts then, and librbd 16 aborts the process where the questions of two
   * cuts overlap at a watcher.
   */
  async #watchOn(): Promise<void> {
    const { rbd } = this.#place.link.ceph;
    const { quiesceWatch } = rbd;
    if (quiesceWatch === undefined) {
      const why = 'the librbd of this machine is older than 16 and cannot hold several images at one moment';
      throw refusalError('BERTH_GROUP_UNFIT', { what: 'volumes', why });
    }
    const watcher = nameWatcher(() => this.#question());
    this.#watcher = watcher;
    this.#watch = await withCells(1, async (cells) => {
      const result = quiesceWatch.later(this.#image, rbd.onQuiesce, rbd.onUnquiesce, BigInt(watcher), cells.at(0));
      check(await result, 'watch for the cut');
      return cells.u64(0);
    });
  }

  async #watchOff(): Promise<void> {
    const [watch, watcher] = [this.#watch, this.#watcher];
    this.#watch = undefined;
    // Waits for our answer to a question of this moment, too; an answer to a closed image would be a crash.
    if (watch !== undefined) await this.#place.link.ceph.rbd.quiesceUnwatch?.later(this.#image, watch);
    await this.#answering;
    if (watcher !== undefined) forgetWatcher(watcher);
  }

  async #cut(): Promise<number> {
    this.#isCutting = true;
    try {
      return await this.#place.link.ceph.rbd.createSnapshot.later(this.#image, this.#snapshot);
    } finally {
      this.#isCutting = false;
    }
  }

  #question(): void {
    this.#isAnswered = false;
    // About somebody else's cut, which is none of our business: another controller's of the same group, for one.
    if (!this.#isCutting) {
      this.#answer(0);
      return;
    }
    this.#questions += 1;
    const isFirst = this.#questions === 1;
    if (isFirst) this.#asked();
    else this.#answer(-ECANCELED);
  }

  #answer(result: number): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    const answering = this.#place.link.ceph.rbd.quiesceComplete?.later(this.#image, this.#watch ?? 0n, result);
    this.#answering = Promise.all([this.#answering, answering]);
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
