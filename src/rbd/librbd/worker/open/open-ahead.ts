/**
 * Images that are opened read-only before anybody asks about them: an open takes 10 ms, which the map of the image
 * takes as well.
 */
import type { Image } from '../../foreign/bindings.js';
import { closeImage, openImage, withImage } from './open-image.js';
import type { OpenPool } from '../open-pool.js';

/** How long one waits for its question, ms: a map that takes longer is late by more than an open. */
const KEPT_MS = 10_000;

/** By pool and name. Whoever takes one closes it. */
const ahead = new Map<string, { readonly take: () => Promise<Image | undefined> }>();

const keyOf = ({ io }: OpenPool, name: string): string => `${io}/${name}`;

/** Open it for the next {@link withOpened}. @throws CephErrno, ENOENT where there is no such image */
export async function openAhead(place: OpenPool, name: string): Promise<void> {
  const key = keyOf(place, name);
  if (ahead.has(key)) return;
  const opening = openImage(place, name, 'read-only');
  const drop = async (): Promise<void> => {
    const image = await take();
    if (image !== undefined) await closeImage(place, image, 'read-only');
  };
  const kept = place.link.keep(drop);
  const timer = setTimeout(() => void drop(), KEPT_MS);
  timer.unref();
  const take = (): Promise<Image | undefined> => {
    clearTimeout(timer);
    kept.release();
    ahead.delete(key);
    return opening.catch(() => undefined);
  };
  ahead.set(key, { take });
  try {
    await opening;
  } catch (error) {
    await take();
    throw error;
  }
}

/**
 * As withImage, read-only, by the image that was opened ahead where there is one. For what is read from Ceph when it is
 * asked: an open image remembers what its header was.
 */
export async function withOpened<T>(place: OpenPool, name: string, work: (image: Image) => Promise<T>): Promise<T> {
  const image = await ahead.get(keyOf(place, name))?.take();
  if (image === undefined) return withImage(place, name, 'read-only', work);
  try {
    return await work(image);
  } finally {
    await closeImage(place, image, 'read-only');
  }
}
