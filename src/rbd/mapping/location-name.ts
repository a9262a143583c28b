/**
 * An image's location as one word and back: a file name for its export, a cookie for its nbd device, an id for QEMU.
 */
import { createHash } from 'node:crypto';
import type { ImageLocation, MapRequest } from './mapper.js';

/** Linux' limit for one path component, bytes. */
export const MAX_NAME_BYTES = 255;
const SEPARATOR = ':';

/** `fsid:pool:namespace:image`, each part percent-encoded: readable for a person and reversible for us. */
export const locationName = (at: ImageLocation): string =>
  [at.fsid, at.pool, at.namespace, at.image].map(encodeURIComponent).join(SEPARATOR);

/** The location behind a name that {@link locationName} made; undefined for any other text. */
export function parseLocationName(name: string): ImageLocation | undefined {
  const parts = name.split(SEPARATOR);
  if (parts.length !== 4) return undefined;
  try {
    const [fsid = '', pool = '', namespace = '', image = ''] = parts.map(decodeURIComponent);
    if (fsid === '' || pool === '' || image === '') return undefined;
    return { fsid, pool, namespace, image };
  } catch {
    // URIError: a stray percent sign, so not a name of ours.
    return undefined;
  }
}

export const requestedLocation = ({ image: { pool, namespace, image }, fsid }: MapRequest): ImageLocation => ({
  fsid,
  pool,
  namespace,
  image,
});

export const sameLocation = (a: ImageLocation, b: ImageLocation): boolean => locationName(a) === locationName(b);

/** 24 hexadecimal digits, always the same for the same location: QEMU's node names end at 31 characters. */
export const locationId = (at: ImageLocation): string =>
  createHash('sha256').update(locationName(at)).digest('hex').slice(0, 24);
