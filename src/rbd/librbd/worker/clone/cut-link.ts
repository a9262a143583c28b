/**
 * Lets a clone stand alone that has all its data. librbd's own flatten is not used for it: it tells the parent first,
 * so that a client that dies between the two leaves an image whose parent may go while it still needs it. Nor does it
 * ask whether anything stands on the image, whose clients would go on looking at what that stood on.
 */
import type { KnownMetadata, LinkObstacle, ParentSnapshot } from '../../../port/clone-port.js';
import { CephErrno, ENOENT } from '../../ceph-errors.js';
import { Encoder } from '../../foreign/ceph-encoding.js';
import { header, metadataKey, rbdClass, unlessImageAbsent } from '../image-header.js';
import { mustEqual, mustExist, unlessChanged, write, writeClass } from '../object-operation.js';
import type { OpenPool } from '../open-pool.js';
import { readClone } from './clone-parent.js';
import { obstacleIn, readLink } from './read-link.js';

/**
 * Two operations. In the second the OSD compares and cuts: nobody may have taken it, or cut a snapshot of it on which
 * something could stand, since it was looked at. Undefined where it stands on nothing, or is gone.
 */
export const cutLink = (
  place: OpenPool,
  imageId: string,
  known: KnownMetadata,
): Promise<'cut' | LinkObstacle | undefined> =>
  unlessImageAbsent(place, async () => {
    const found = await readLink(place, imageId);
    if (found === undefined) return undefined;
    const obstacle = obstacleIn(found, known);
    if (obstacle !== undefined) return obstacle;
    const { link, io } = place;
    const isCut = await unlessChanged(() =>
      write(link.ceph, io, header(imageId), 'cut the link to the parent', [
        mustExist(link.ceph),
        mustEqual(link.ceph, metadataKey(known.key), known.value ?? ''),
        mustEqual(link.ceph, 'snap_seq', new Encoder().u64(found.sequence).end()),
        writeClass(link.ceph, rbdClass('parent_detach')),
      ]),
    );
    return isCut ? 'cut' : 'changed';
  });

/** False where it still stands on anything. Two operations; a parent that does not know of it is a success. */
export async function forgetClone(place: OpenPool, imageId: string, parent: ParentSnapshot): Promise<boolean> {
  if ((await readClone(place, imageId)) !== undefined) return false;
  const { link, io, at } = place;
  const { pool, namespace } = parent;
  // cls::rbd::ChildImageSpec
  const child = new Encoder()
    .u64(BigInt(link.ceph.rados.poolIdOf.now(io)))
    .bytes(imageId)
    .bytes(at.namespace);
  const call = rbdClass('child_detach', new Encoder().u64(parent.snapshotId).versioned(child, 2));
  const parentIo = await link.pool({ ...at, pool, namespace });
  try {
    await write(link.ceph, parentIo, header(parent.imageId), 'forget a clone', [
      mustExist(link.ceph),
      writeClass(link.ceph, call),
    ]);
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(ENOENT)) throw error;
  }
  return true;
}
