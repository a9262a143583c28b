/** The images of deleted volumes in a pool and namespace: what Ceph's own directory and trash say is the whole list. */
import type { NamedImage } from '../../../rbd/port/delete-port.js';
import type { Deadline } from '../../../model/deadline.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import { BEFORE_DELETED, isDeletedName } from '../../image/image-name.js';

/** In a list by name they stand one behind the other; none at all costs one small page of others. */
const PAGE = 64;

/**
 * Up to `max` of them, and those whose removal was cut short in librbd's trash, which have no other name left. Two OSD
 * operations where there is none, one more for every page.
 */
export async function listDeleted(
  rbd: Pick<RbdPort, 'list' | 'interruptedRemovals'>,
  place: PoolRef,
  max: number,
  deadline: Deadline,
): Promise<readonly NamedImage[]> {
  const cutShort = await rbd.interruptedRemovals(place, deadline);
  const found = cutShort.filter(({ name }) => isDeletedName(name));
  for (let after = BEFORE_DELETED, page = PAGE; found.length < max; page = 1000) {
    const names = await rbd.list(place, after, page, deadline);
    const ours = names.filter(({ name }) => isDeletedName(name));
    found.push(...ours);
    after = names.at(-1)?.name ?? after;
    if (ours.length < page) return found;
  }
  return found;
}
