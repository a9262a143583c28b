/** The fake's cephx users of volumes. */
import { berthError } from '../../src/model/errors.js';
import type { ImageObjects, UserCaps } from '../../src/rbd/port/user-port.js';
import { parentOf } from './memory-clones.js';
import type { MemoryImage } from './memory-image.js';

export class MemoryUsers extends Map<string, { readonly caps: string; readonly key: string }> {
  /** False as for a controller without the caps. */
  mayBeMade = true;
  #made = 0;

  /** As the monitors: the same key for the same caps. */
  make(by: string, user: string, caps: UserCaps): string {
    this.#refuse(by, 'auth get-or-create');
    const text = JSON.stringify(caps);
    const present = this.get(user);
    if (present !== undefined && present.caps !== text)
      throw berthError('BERTH_CEPH_ERROR', { what: 'auth get-or-create', why: 'EINVAL' });
    const made = present ?? { caps: text, key: `key-${++this.#made}` };
    this.set(user, made);
    return made.key;
  }

  drop(by: string, user: string): void {
    this.#refuse(by, 'auth rm');
    this.delete(user);
  }

  #refuse(by: string, what: string): void {
    if (!this.mayBeMade) throw berthError('BERTH_CEPH_DENIED', { user: by, what });
  }
}

export function objectsOf(image: MemoryImage | undefined, pool: string): ImageObjects | undefined {
  if (image === undefined) return undefined;
  return {
    data: { pool: image.spec.dataPool ?? pool, prefix: `rbd_data.${image.id}` },
    parent: parentOf(image),
  };
}
