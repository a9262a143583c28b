/** The image's name, derived from the volume's: the same name gives the same image, so that Ceph itself refuses the second. */
import { createHash } from 'node:crypto';

/** A name that can stand in an image name as it is; all Kubernetes names (`pvc-<uuid>`) can. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$/;

/**
 * Plain names stay readable; any other (up to 128 bytes of Unicode) becomes `x.` and 128 bits of its SHA-256. A plain name has
 * no dot, so that no two names can meet.
 */
export function imageName(prefix: string, name: string): string {
  if (PLAIN.test(name)) return `${prefix}${name}`;
  return `${prefix}x.${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}
