/**
 * The image's name, derived from the volume's:
 * the same name gives the same image, so that Ceph itself refuses the second.
 */
import { createHash } from 'node:crypto';

/** Of images where the StorageClass names no other one. */
export const DEFAULT_PREFIX = 'berth-';

/** A name that can stand in an image name as it is; all Kubernetes names (`pvc-<uuid>`) can. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$/;

/** Images of deleted volumes are called so, and by Ceph's id; no volume is. */
const DELETED_PREFIX = 'berth-deleted-';

/** What the image of a volume is called once that is deleted, whatever it was called before. */
export const deletedName = (imageId: string): string => `${DELETED_PREFIX}${imageId}`;
/** Is it called so, and nobody's volume any more? */
export const isDeletedName = (image: string): boolean => image.startsWith(DELETED_PREFIX);
/** In a list by name all images of deleted volumes come after this, one behind the other. */
export const BEFORE_DELETED = DELETED_PREFIX;

/**
 * Plain names stay readable; any other (up to 128 bytes of Unicode) becomes `x.` and 128 bits of its SHA-256. A plain
 * name has no dot, so that no two names can meet.
 */
export function imageName(prefix: string, name: string): string {
  const plain = `${prefix}${name}`;
  if (PLAIN.test(name) && !isDeletedName(plain)) return plain;
  return `${prefix}x.${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

/** What {@link imageName} makes of the provisioner's names and of names that are not plain, whatever the prefix. */
const MADE = /(?:pvc-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|x\.[0-9a-f]{32})$/;

/** Is it called as {@link imageName} calls a volume of the provisioner's, or one with a name that is not plain? */
export const isMadeName = (image: string): boolean => MADE.test(image);

/** Does an image's name look like one that we gave? A hint for a person: a name proves nothing. */
export const looksLikeOurs = (image: string): boolean => image.startsWith(DEFAULT_PREFIX) || isMadeName(image);
