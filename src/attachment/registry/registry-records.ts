/** All that is kept in a registry, as records without a meaning: whether there are any, and copying what is missing. */
import type { Deadline } from '../../model/deadline.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';

/** How many records one call reads. */
const PAGE = 256;

/** One OSD operation for each object. */
export async function hasRecords(
  rbd: Pick<RbdPort, 'listRecords'>,
  at: PoolRef,
  objects: readonly string[],
  deadline: Deadline,
): Promise<boolean> {
  const found = await Promise.all(objects.map((object) => rbd.listRecords(at, object, '', 1, deadline)));
  return found.some(({ size }) => size > 0);
}

/**
 * Copy each record that `to` lacks. What stands there is newer and stays, also where somebody writes it meanwhile. What
 * is cut short is done again from its beginning, which does no harm.
 */
export async function takeOver(
  rbd: Pick<RbdPort, 'listRecords' | 'compareAndSetRecord'>,
  from: PoolRef,
  to: PoolRef,
  objects: readonly string[],
  deadline: Deadline,
): Promise<void> {
  for (const object of objects) {
    for (let after = ''; ; ) {
      const page = await rbd.listRecords(from, object, after, PAGE, deadline);
      for (const [key, text] of page) {
        await rbd.compareAndSetRecord(to, object, key, undefined, text, deadline);
        after = key;
      }
      if (page.size < PAGE) break;
    }
  }
}
