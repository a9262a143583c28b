/** Says whether anything was ever written to an image, from the object map or, without one, object by object. */
import { settleAll } from '../../../model/settle-all.js';
import type { Image } from '../foreign/bindings.js';
import { check, ECANCELED, refusalError } from '../ceph-errors.js';
import { FAST_DIFF } from '../../feature-bits.js';
import { readImageId } from './image-header.js';
import { withOpened } from './open/open-ahead.js';
import { numberOf, parentOf, snapshotsOf, withImage, withSnapshot } from './open/open-image.js';
import { readSnapshots } from './snapshot/read-snapshots.js';
import type { OpenPool } from './open-pool.js';
import { specOf } from './open-pool.js';

/** Without fast-diff every object is asked for: so many bytes at a time, to be able to stop at the deadline. */
const WINDOW_BYTES = 16n * 1024n ** 3n;

/**
 * Neither the image nor any snapshot of it. @throws CephErrno ENOENT; DEADLINE where a large image without fast-diff
 * takes too long
 */
export async function isEmpty(place: OpenPool, name: string): Promise<boolean> {
  const isBare = await withOpened(place, name, async (image) => {
    if (!(await isUntouched(place, name, image, 'and its parent'))) return false;
    return (await snapshotsOf(place, image)).length > 0 ? 'but for snapshots' : true;
  });
  return isBare === 'but for snapshots' ? areSnapshotsEmpty(place, name) : isBare;
}

/** What was written, cut and discarded again stands in a snapshot alone. */
async function areSnapshotsEmpty(place: OpenPool, name: string): Promise<boolean> {
  const { snapshots = [] } = (await readSnapshots(place, await readImageId(place, name))) ?? {};
  for (const { id } of snapshots) {
    if (!(await withSnapshot(place, name, id, (image) => isUntouched(place, name, image, 'and its parent'))))
      return false;
  }
  return true;
}

/** A snapshot says that it was used; of a clone its parent does not count. Errors as {@link isEmpty}. */
export const isUnwritten = (place: OpenPool, name: string): Promise<boolean> =>
  withImage(
    place,
    name,
    'read-only',
    async (image) =>
      (await snapshotsOf(place, image)).length === 0 && (await isUntouched(place, name, image, 'without its parent')),
  );

/** Has the image, as it is opened, no extent? */
async function isUntouched(
  place: OpenPool,
  name: string,
  image: Image,
  what: 'and its parent' | 'without its parent',
): Promise<boolean> {
  const { rbd } = place.link.ceph;
  const [parent, size, features] = await settleAll(
    parentOf(place, image),
    numberOf(rbd.size, image, 'get size'),
    numberOf(rbd.features, image, 'get features'),
  );
  const ofParent = what === 'and its parent' && parent !== undefined;
  // What an object map says of an image says nothing of its parent's.
  const window = (features & FAST_DIFF) === 0n || ofParent ? WINDOW_BYTES : size;
  for (let from = 0n; from < size; from += window) {
    if (place.deadline.expired)
      throw refusalError('BERTH_DEADLINE', { what: `look into ${specOf(place.at, name)}`, ms: 0 });
    const bytes = from + window > size ? size - from : window;
    if (await hasExtent(place, image, from, bytes, ofParent)) return false;
  }
  return true;
}

async function hasExtent(
  { link }: OpenPool,
  image: Image,
  from: bigint,
  bytes: bigint,
  ofParent: boolean,
): Promise<boolean> {
  let extents = 0;
  // By whole objects it may believe object maps. An old librbd does not find all of the images below by them.
  const wholeObjects = ofParent && !link.ceph.tellsParents ? 0 : 1;
  const stopAtFirst = (_offset: unknown, _length: unknown, exists: number): number => {
    if (exists === 0) return 0;
    extents += 1;
    return -ECANCELED;
  };
  const result = await link.ceph.rbd.diff.later(
    image,
    null,
    from,
    bytes,
    ofParent ? 1 : 0,
    wholeObjects,
    stopAtFirst,
    null,
  );
  if (extents === 0) check(result, 'diff image');
  return extents > 0;
}
