/** The operations of the port on snapshots: cut, go back to, remove, read. */
import { breakingLocks, describeLocks } from '../../../image-lock.js';
import type { SnapshotPort } from '../../../port/snapshot-port.js';
import { check, CephErrno, EEXIST, ENOENT, EROFS, refusalError } from '../../ceph-errors.js';
import type { Image } from '../../foreign/bindings.js';
import { withCells } from '../../foreign/c-memory.js';
import { thisCall } from '../../foreign/progress.js';
import type { WorkerOperation } from '../../worker-messages.js';
import { readHead, readHeadById } from '../image-header.js';
import { withImage, type ImageKey } from '../open/open-image.js';
import { specOf } from '../open-pool.js';
import type { OnImage, OnImageId, OpenPool } from '../open-pool.js';
import { readSnapshotById, readSnapshots } from './read-snapshots.js';

export const snapshotOperations = (
  onImage: OnImage,
  onImageId: OnImageId,
): { readonly [Op in keyof SnapshotPort]: WorkerOperation<Op> } => ({
  createSnapshot: (at, name, deadline) =>
    onImage(at, deadline, 'take a snapshot of', (place) => createSnapshot(place, at.image, name)),
  cutById: (at, id, name, deadline) =>
    onImageId(at, id, deadline, 'take a snapshot of', (place) =>
      cutSnapshot(place, { id }, name, () => Promise.resolve()),
    ),
  rollBack: (at, name, deadline) => onImage(at, deadline, 'roll back', (place) => rollBack(place, at.image, name)),
  removeSnapshot: (at, name, deadline) =>
    onImage(at, deadline, 'remove a snapshot of', (place) => removeSnapshot(place, at.image, name)),
  removeSnapshotById: (at, id, snapshot, deadline) =>
    onImageId(at, id, deadline, 'remove a snapshot of', (place) => removeSnapshot(place, { id }, snapshot)),
  snapshotById: (at, id, snapshot, deadline) =>
    onImageId(at, id, deadline, 'look at a snapshot of', (place) => readSnapshotById(place, id, snapshot)),
  snapshotsById: (at, id, deadline) =>
    onImageId(at, id, deadline, 'list snapshots of', (place) => readSnapshots(place, id)),
});

/** The id. Errors of {@link cutSnapshot}. */
const createSnapshot = (place: OpenPool, which: ImageKey, snapshot: string): Promise<bigint> =>
  cutSnapshot(place, which, snapshot, (image) => snapshotIdOf(place, image, snapshot));

/**
 * One of that name is a success; `then` gets the image as long as it is open.
 * @throws CephErrno ENOENT where there is no such image; BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE
 */
export function cutSnapshot<T>(
  place: OpenPool,
  which: ImageKey,
  snapshot: string,
  then: (image: Image) => Promise<T>,
): Promise<T> {
  const { rbd } = place.link.ceph;
  return withImage(place, which, 'read-write', async (image) => {
    const result = await rbd.createSnapshot.later(image, snapshot);
    if (result === -EROFS) await refuseReadOnly(place, which);
    if (result !== -EEXIST) check(result, `take snapshot ${snapshot}`);
    return then(image);
  });
}

/** From librbd's memory, which it refreshes where the header has changed. */
const snapshotIdOf = ({ link: { ceph } }: OpenPool, image: Image, snapshot: string): Promise<bigint> =>
  withCells(1, async (cells) => {
    check(await ceph.rbd.snapshotId.later(image, snapshot, cells.at(0)), `look up snapshot ${snapshot}`);
    return cells.u64(0);
  });

/** False where there is no such snapshot. @throws CephErrno, ENOENT where there is no image */
const rollBack = (place: OpenPool, name: string, snapshot: string): Promise<boolean> =>
  withImage(place, name, 'read-write', async (image) => {
    const { rbd } = place.link.ceph;
    return wasThere(await rbd.rollBack.later(image, snapshot, rbd.progress, thisCall()), `roll back to ${snapshot}`);
  });

/** False where there is no such snapshot. @throws CephErrno, ENOENT where there is no image */
function removeSnapshot(place: OpenPool, which: ImageKey, snapshot: string | bigint): Promise<boolean> {
  const { rbd } = place.link.ceph;
  return withImage(place, which, 'read-write', async (image) => {
    const removing =
      typeof snapshot === 'string'
        ? rbd.removeSnapshot.later(image, snapshot)
        : rbd.removeSnapshotById.later(image, snapshot);
    const result = await removing;
    if (result === -EROFS) await refuseReadOnly(place, which);
    return wasThere(result, `remove snapshot ${snapshot}`);
  });
}

const wasThere = (result: number, what: string): boolean => result !== -ENOENT && check(result, what) >= 0;

/**
 * librbd calls an image read-only whose exclusive lock it cannot have: beside somebody's advisory lock, and where the
 * client that has it gives it to nobody (krbd's map option `exclusive`).
 * @throws BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE
 */
async function refuseReadOnly(place: OpenPool, which: ImageKey): Promise<never> {
  const [name, head] =
    typeof which === 'string'
      ? ([which, await readHead(place, which)] as const)
      : ([`id ${which.id}`, await readHeadById(place, which.id)] as const);
  if (head === undefined) throw new CephErrno(-ENOENT, 'open image');
  const image = specOf(place.at, name);
  if (head.locks.length === 0) throw refusalError('BERTH_IMAGE_EXCLUSIVE', { image });
  throw refusalError('BERTH_IMAGE_LOCKED', {
    image,
    locks: describeLocks(head.locks),
    breaking: breakingLocks(image, head.locks),
  });
}
