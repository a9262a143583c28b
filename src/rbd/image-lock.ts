/** Advisory locks: refused, and put into words: who laid which, and by which command each is broken. */
import { berthError } from '../model/errors.js';
import { imageSpec, type ImageSpec } from '../model/volume-id.js';
import type { ImageLock } from './port.js';

/** `"kubelet_lock_magic_worker-1" of client.4123 at 10.0.0.1:0/77` */
export const describeLocks = (locks: readonly ImageLock[]): string =>
  locks.map(({ id, locker, address }) => `${JSON.stringify(id)} of ${locker} at ${address}`).join(', ');

/** For a shell: `rbd lock rm POOL/IMAGE 'kubelet_lock_magic_worker-1' client.4123`. */
export const breakingLocks = (image: string, locks: readonly ImageLock[]): string =>
  locks.map(({ id, locker }) => `rbd lock rm ${image} ${quoted(id)} ${locker}`).join('; ');

/** BERTH_IMAGE_LOCKED where there are any: a writer would wait for whoever laid it, for ever. */
export function refuseLocked(at: ImageSpec, locks: readonly ImageLock[]): void {
  if (locks.length === 0) return;
  const image = imageSpec(at);
  throw berthError('BERTH_IMAGE_LOCKED', { image, locks: describeLocks(locks), breaking: breakingLocks(image, locks) });
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
