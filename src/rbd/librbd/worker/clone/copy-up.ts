/**
 * Gives a clone the data that it has of its parent, for a moment at a time, by librbd's own copy-on-read: whoever reads
 * an object of the parent through the clone has librbd copy it whole. The OSD copies nothing into an object that is
 * there, so that a writer beside it loses nothing, and librbd keeps object map and lock as with any write.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CopySlice, KnownMetadata, LinkObstacle } from '../../../port/clone-port.js';
import type { ImageHead } from '../../../port.js';
import { check, EROFS } from '../../ceph-errors.js';
import type { Image } from '../../foreign/bindings.js';
import { bytesAt, withCells } from '../../foreign/c-memory.js';
import { unlessImageAbsent } from '../image-header.js';
import { numberOf, watchersOf, withImage } from '../open/open-image.js';
import type { OpenPool } from '../open-pool.js';
import { DataObjects, readFirstByte } from './data-objects.js';
import { objectsOn, periodOf } from './object-layout.js';
import { obstacleIn, readLink } from './read-link.js';

/** Objects looked for, and copied, at a time. */
const SLOTS = 4;
/** librbd copies behind the answer to a read: between two looks for what it copied, in ms, and how long they go on. */
const LOOK_MS = 10;
const COPY_MS = 30_000;
/** After so many looks it is asked whether the lock is still ours: without it nothing is copied. */
const LOOKS_A_LOCK = 10;
const LOCK = 'exclusive-lock';
/** What librbd lays over the first bytes of a clone that has an encryption of its own (its parent's is LUKS). */
const ENCRYPTED = Buffer.from('RBDL');

/** Undefined where the image stands on nothing, or is gone. */
export const copyUp = (
  place: OpenPool,
  imageId: string,
  extents: BigUint64Array,
  known: KnownMetadata,
  ms: number,
): Promise<CopySlice | undefined> =>
  unlessImageAbsent(place, async () => {
    const { link } = place;
    // In force for images that are opened from now on. Nothing else reads an image's data over this connection and
    // could write to it.
    link.ceph.rados.configure.now(link.cluster, 'rbd_clone_copy_on_read', 'true');
    return withImage(place, { id: imageId }, 'read-write', async (image) => {
      // From here on others see that it is open.
      const found = await readLink(place, imageId);
      if (found === undefined) return undefined;
      const obstacle = obstacleIn(found, known) ?? (await obstacleAt(place, image, found.head, extents));
      if (obstacle !== undefined) return { obstacle };
      return copySlice(place, image, found.head, extents, ms);
    });
  });

async function obstacleAt(
  place: OpenPool,
  image: Image,
  { features }: ImageHead,
  extents: BigUint64Array,
): Promise<LinkObstacle | undefined> {
  if ((await watchersOf(place, image)).length > 1) return 'open';
  if (extents[0] === 0n && (await isEncrypted(place, image))) return 'unfit';
  return features.includes(LOCK) && !(await takeLock(place, image)) ? 'open' : undefined;
}

/** Its own objects would be read by a key that its parent's do not have. */
const isEncrypted = ({ link: { ceph } }: OpenPool, image: Image): Promise<boolean> =>
  withCells(1, async (cells) => {
    const count = check(Number(await ceph.rbd.read.later(image, 0n, BigInt(ENCRYPTED.length), cells.at(0))), 'read');
    return bytesAt(cells.at(0), count).equals(ENCRYPTED);
  });

/**
 * As a write takes it: whoever asks for it gets it at once, and nothing is copied from then on. False where another
 * client does not leave it.
 */
async function takeLock(place: OpenPool, image: Image): Promise<boolean> {
  const result = await place.link.ceph.rbd.flush.later(image);
  if (result === -EROFS) return false;
  check(result, 'acquire the exclusive lock');
  return isOwner(place, image);
}

const isOwner = ({ link: { ceph } }: OpenPool, image: Image): Promise<boolean> =>
  withCells(1, async (cells) => {
    check(await ceph.rbd.isLockOwner.later(image, cells.at(0)), 'ask who has the exclusive lock');
    return cells.i32(0) !== 0;
  });

async function copySlice(
  place: OpenPool,
  image: Image,
  head: ImageHead,
  extents: BigUint64Array,
  ms: number,
): Promise<CopySlice> {
  const begun = performance.now();
  const isLocked = head.features.includes(LOCK);
  const overlap = await numberOf(place.link.ceph.rbd.overlap, image, 'get overlap');
  const objects = await DataObjects.of(place, image, head.id, BigInt(head.objectSizeBytes));
  const { layout } = objects;
  const startOf = (object: bigint): bigint => (object / layout.stripeCount) * periodOf(layout);
  // Cut smaller since it was listed, it has nothing of its parent there, and nothing comes of a read.
  const numbers = objectsOn(layout, extents, overlap);
  for (let n = 0; n < numbers.length; n += SLOTS) {
    if (!(await copyObjects(place, image, objects, numbers.slice(n, n + SLOTS), isLocked))) return { obstacle: 'open' };
    const following = numbers[n + SLOTS];
    if (following === undefined || performance.now() - begun < ms) continue;
    const next = startOf(following);
    if (next > (extents[0] ?? 0n)) return { next };
  }
  return { next: undefined };
}

/** False where one of them does not come: somebody else has the lock by now. @throws CephErrno */
async function copyObjects(
  place: OpenPool,
  image: Image,
  objects: DataObjects,
  numbers: readonly bigint[],
  isLocked: boolean,
): Promise<boolean> {
  const until = performance.now() + COPY_MS;
  // An object map may tell of an object whose first write never came: only the OSDs know.
  let absent = await objects.absent(numbers);
  await Promise.all(absent.map((one) => readFirstByte(place, image, objects.layout, one)));
  for (let look = 1; ; look += 1) {
    absent = await objects.absent(absent);
    if (absent.length === 0) return true;
    if (performance.now() > until) return false;
    if (isLocked && look % LOOKS_A_LOCK === 0 && !(await isOwner(place, image))) return false;
    await sleep(LOOK_MS);
  }
}
