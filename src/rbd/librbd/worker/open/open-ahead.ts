/**
 * Images that are opened read-only before anybody asks about them: an open takes 10 ms, which the map of the image
 * takes as well.
 */
import { settleAll } from '../../../../model/settle-all.js';
import type { Image } from '../../foreign/bindings.js';
import { readImageId } from '../image-header.js';
import { closeImage, openImage, withImage } from './open-image.js';
import type { OpenPool } from '../open-pool.js';

/** How long one waits for its first question, ms: a map that takes longer is late by more than an open. */
const KEPT_MS = 10_000;

/** An image that was opened ahead; closed when its last user has ended and no other one can come. */
class Ahead {
  readonly #place: OpenPool;
  readonly #key: string;
  readonly #timer: NodeJS.Timeout;
  readonly #kept: { readonly release: () => void };
  readonly id: Promise<string>;
  readonly opened: Promise<Image>;
  #users = 0;
  #isClosed = false;

  constructor(place: OpenPool, name: string) {
    this.#place = place;
    this.#key = keyOf(place, name);
    this.id = readImageId(place, name);
    this.opened = this.id.then((id) => openImage(place, { id }, 'read-only'));
    this.#timer = setTimeout(() => void this.end(), KEPT_MS);
    this.#timer.unref();
    this.#kept = place.link.keep(() => this.end());
    ahead.set(this.#key, this);
  }

  /** Undefined where it could not be opened, or is not what has the name now: somebody may have given it away. */
  async use<T>(isNamed: () => Promise<string>, work: (image: Image) => Promise<T>): Promise<T | undefined> {
    this.#users += 1;
    try {
      const image = await this.opened.catch(() => undefined);
      if (image === undefined) return undefined;
      // At the same time: what was asked of another image than the name means by now is no answer, nor is its error.
      const [named, [asked]] = await settleAll(isNamed(), Promise.allSettled([work(image)]));
      if (named !== (await this.id)) return undefined;
      if (asked.status === 'rejected') throw asked.reason;
      return asked.value;
    } finally {
      this.#users -= 1;
      await this.end();
    }
  }

  /** Nobody finds it from now on. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#kept.release();
    if (ahead.get(this.#key) === this) ahead.delete(this.#key);
    if (this.#users > 0 || this.#isClosed) return;
    this.#isClosed = true;
    const image = await this.opened.catch(() => undefined);
    if (image !== undefined) await closeImage(this.#place, image, 'read-only');
  }
}

/** By pool and name. */
const ahead = new Map<string, Ahead>();

const keyOf = ({ io }: OpenPool, name: string): string => `${io}/${name}`;

/** Open it for the next {@link withOpened}. @throws CephErrno, ENOENT where there is no such image */
export async function openAhead(place: OpenPool, name: string): Promise<void> {
  const key = keyOf(place, name);
  await ahead.get(key)?.end();
  const one = new Ahead(place, name);
  await one.opened.catch(async (error: unknown) => {
    await one.end();
    throw error;
  });
}

/**
 * As withImage, read-only, by the image that was opened ahead where there is one, together with who comes before the
 * first of them has ended: from then on its header may be another one. One OSD operation for its name.
 */
export async function withOpened<T>(place: OpenPool, name: string, work: (image: Image) => Promise<T>): Promise<T> {
  const isNamed = (): Promise<string> => readImageId(place, name);
  const answer = await ahead.get(keyOf(place, name))?.use(isNamed, async (image) => ({ is: await work(image) }));
  return answer === undefined ? withImage(place, name, 'read-only', work) : answer.is;
}
