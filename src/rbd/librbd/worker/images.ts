/** The operations on whole images: create, inspect, grow, delete. */
import type { NamedImage } from '../../port/delete-port.js';
import { withIdentity } from '../../new-image.js';
import type { NewClone } from '../../port/clone-port.js';
import type { ImageDetail, NewImage, WatcherObservation, Watcher } from '../../port.js';
import type { Image, ImageOptions } from '../foreign/bindings.js';
import {
  CephErrno,
  check,
  EBUSY,
  EEXIST,
  EMLINK,
  ENOENT,
  ENOTEMPTY,
  EOPNOTSUPP,
  EROFS,
  refusalError,
  unlessAbsent,
} from '../ceph-errors.js';
import { breakingLocks, describeLocks } from '../../image-lock.js';
import { featureBits } from '../../feature-bits.js';
import { readHead, readImageId, readInterruptedRemovals, writeFirstMetadata } from './image-header.js';
import { bytesAt, withCells } from '../foreign/c-memory.js';
import { thisCall } from '../foreign/progress.js';
import type { ClusterConnection } from './cluster-connection.js';
import { field, monCommand } from './mon-command.js';
import { withOpened } from './open/open-ahead.js';
import { clonesOf, groupOf, numberOf, parentOf, snapshotsOf, watchersOf, withImage } from './open/open-image.js';
import { checkOtherPool, specOf } from './open-pool.js';
import type { OpenPool } from './open-pool.js';
import { refuseDataPool, refuseErasureCoded } from './pool-stats.js';

/** rbd_image_options_t, enum of librbd.h. */
const FORMAT = 0;
const FEATURES = 1;
const ORDER = 2;
const STRIPE_UNIT = 3;
const STRIPE_COUNT = 4;
const DATA_POOL = 10;

/** librbd's create, one operation to read the id that it chose, and one for all metadata. @throws BERTH_IMAGE_EXISTS */
export async function createImage(place: OpenPool, name: string, spec: NewImage): Promise<string> {
  const { link, io, at } = place;
  bitsOf(spec);
  await refuseErasureCoded(place);
  if (spec.dataPool !== undefined) await refuseDataPool(place, spec.dataPool);
  const result = await withOptions(place, async (options) => {
    const { rbd } = link.ceph;
    setShape(place, options, spec);
    const pool = spec.dataPool === undefined ? BigInt(link.ceph.rados.poolIdOf.now(io)) : undefined;
    return link.poolCheck.duringCreate(pool, () => rbd.create.later(io, name, spec.sizeBytes, options));
  });
  if (result === -EEXIST) throw refusalError('BERTH_IMAGE_EXISTS', { image: specOf(at, name) });
  if (result === -ENOENT && spec.dataPool !== undefined) await checkOtherPool(place, spec.dataPool);
  if (result === -EOPNOTSUPP) await refuseErasureCoded(place, result);
  check(result, 'create image');
  const id = await readImageId(place, name);
  // Slow as we may have been, somebody else may have found the image bare and completed it: then it is theirs.
  const metadata = withIdentity(spec.metadata, { id, fsid: await link.fsid() });
  if (!(await writeFirstMetadata(place, id, metadata)))
    throw refusalError('BERTH_IMAGE_EXISTS', { image: specOf(at, name) });
  return id;
}

/** @throws BERTH_FIELD_INVALID for a feature that no Ceph has */
function bitsOf({ features }: Pick<NewImage, 'features'>): bigint {
  const bits = featureBits(features);
  if (bits !== undefined) return bits;
  throw refusalError('BERTH_FIELD_INVALID', { field: 'imageFeatures', why: features.join(',') });
}

/** Tell librbd how a new image is to be laid out. @throws BERTH_FIELD_INVALID */
export function setShape({ link }: OpenPool, options: ImageOptions, spec: NewClone): void {
  const { rbd } = link.ceph;
  const set = (option: number, value: bigint | number | undefined): void => {
    if (value !== undefined) check(rbd.setNumber.now(options, option, BigInt(value)), 'set image option');
  };
  set(FORMAT, 2);
  set(FEATURES, bitsOf(spec));
  set(ORDER, spec.objectSizeBytes === undefined ? undefined : Math.log2(spec.objectSizeBytes));
  set(STRIPE_UNIT, spec.stripeUnitBytes);
  set(STRIPE_COUNT, spec.stripeCount);
  if (spec.dataPool !== undefined) rbd.setText.now(options, DATA_POOL, spec.dataPool);
}

export function withOptions<T>({ link }: OpenPool, work: (options: ImageOptions) => Promise<T>): Promise<T> {
  const { rbd } = link.ceph;
  return withCells(1, async (cells) => {
    rbd.newOptions.now(cells.at(0));
    const options = cells.u64(0) as ImageOptions;
    try {
      return await work(options);
    } finally {
      rbd.freeOptions.now(options);
    }
  });
}

/** @throws CephErrno ENOENT */
export async function inspect(place: OpenPool, name: string): Promise<ImageDetail> {
  const { rbd, rados } = place.link.ceph;
  const head = await readHead(place, name);
  if (head === undefined) throw refusalError('BERTH_IMAGE_NOT_FOUND', { image: specOf(place.at, name) });
  return withImage(place, name, 'read-only', async (image) => {
    const dataPool = BigInt(rbd.dataPool.now(image));
    const snapshots = await snapshotsOf(place, image);
    return {
      ...head,
      sizeBytes: await numberOf(rbd.size, image, 'get size'),
      stripeUnitBytes: Number(await numberOf(rbd.stripeUnit, image, 'get stripe unit')),
      stripeCount: Number(await numberOf(rbd.stripeCount, image, 'get stripe count')),
      parent: await parentOf(place, image),
      snapshots,
      // A snapshot that only clones keep has no name that anybody gave.
      clones: snapshots.length === 0 ? [] : await clonesOf(place, image),
      watchers: await watchersOf(place, image),
      dataPool: dataPool === BigInt(rados.poolIdOf.now(place.io)) ? undefined : await poolName(place, dataPool),
    };
  });
}

/** The image is opened without a watch of our own, or was ({@link openAhead}). @throws CephErrno ENOENT */
export function listWatchers(place: OpenPool, name: string): Promise<Watcher[]> {
  return withOpened(place, name, (image) => watchersOf(place, image)).catch(async (error: unknown) => {
    if (!(error instanceof CephErrno) || !error.is(ENOENT)) throw error;
    await place.link.checkPool(place.at);
    throw refusalError('BERTH_IMAGE_NOT_FOUND', { image: specOf(place.at, name) });
  });
}

/** An election in between may have swallowed notices: the caller is told. @throws CephErrno ENOENT */
export async function observeWatchers(place: OpenPool, name: string): Promise<WatcherObservation> {
  const before = await electionOf(place.link);
  const watchers = await listWatchers(place, name);
  const after = await electionOf(place.link);
  return { watchers, settled: before !== undefined && before === after };
}

/** Changes with every election of the monitors. Nobody answers during one. */
async function electionOf(link: ClusterConnection): Promise<number | undefined> {
  const epoch = field(await monCommand(link, { prefix: 'quorum_status' }), 'election_epoch');
  return typeof epoch === 'number' ? epoch : undefined;
}

function poolName({ link }: OpenPool, id: bigint): Promise<string> {
  const bytes = 256;
  return withCells(bytes / 8, async (cells) => {
    check(await link.ceph.rados.poolName.later(link.cluster, id, cells.at(0), bytes), 'look up pool');
    return cells.chars(0);
  });
}

/**
 * Never shrinks, whoever resized it meanwhile.
 * @throws CephErrno ENOENT; EINVAL for a smaller size; BERTH_IMAGE_LOCKED
 */
export function resize(place: OpenPool, name: string, sizeBytes: bigint): Promise<void> {
  const { rbd } = place.link.ceph;
  return withImage(place, name, 'read-write', async (image: Image) => {
    const result = await rbd.resize.later(image, sizeBytes, 0, rbd.progress, thisCall());
    // librbd cannot take its own lock beside somebody's, and calls the image read-only.
    if (result === -EROFS) await refuseLockedImage(place, name);
    check(result, `resize to ${sizeBytes} bytes`);
  });
}

/** @throws CephErrno ENOENT; BERTH_IMAGE_LOCKED */
export function cutTo(place: OpenPool, name: string, sizeBytes: bigint): Promise<void> {
  return withImage(place, name, 'read-write', async (image: Image) => {
    const result = await place.link.ceph.rbd.resizeAnyWay.later(image, sizeBytes);
    if (result === -EROFS) await refuseLockedImage(place, name);
    check(result, `cut to ${sizeBytes} bytes`);
  });
}

/** @throws BERTH_IMAGE_LOCKED */
async function refuseLockedImage(place: OpenPool, name: string): Promise<void> {
  const locks = (await readHead(place, name))?.locks ?? [];
  if (locks.length === 0) return;
  const image = specOf(place.at, name);
  throw refusalError('BERTH_IMAGE_LOCKED', {
    image,
    locks: describeLocks(locks),
    breaking: breakingLocks(image, locks),
  });
}

/** @throws CephErrno ENOENT */
export function readStart(place: OpenPool, name: string, bytes: number): Promise<Uint8Array> {
  return withImage(place, name, 'read-only', (image) =>
    withCells(Math.ceil(bytes / 8), async (cells) => {
      const read = await place.link.ceph.rbd.read.later(image, 0n, BigInt(bytes), cells.at(0));
      return bytesAt(cells.at(0), check(Number(read), 'read'));
    }),
  );
}

/**
 * True if it was there. librbd itself refuses watchers and snapshots;
 * only then they are read. @throws BERTH_IMAGE_BUSY
 */
export async function removeImage(place: OpenPool, name: string): Promise<boolean> {
  const { rbd } = place.link.ceph;
  const result = await rbd.remove.later(place.io, name, rbd.progress, thisCall());
  if (result === -ENOENT) {
    await confirmAbsence(place, name);
    return false;
  }
  if (result === -EMLINK) await refuseGrouped(place, name);
  if (result !== -EBUSY && result !== -ENOTEMPTY) {
    check(result, 'remove image');
    return true;
  }
  throw refusalError('BERTH_IMAGE_BUSY', { image: specOf(place.at, name), why: await whoUses(place, name, result) });
}

/** Those of the pool and namespace, none where nothing was ever in its trash. */
export async function interruptedRemovals(place: OpenPool): Promise<readonly NamedImage[]> {
  const found = await unlessAbsent(readInterruptedRemovals(place));
  if (found === undefined) await place.link.checkPool(place.at);
  return found ?? [];
}

/**
 * librbd finds it in the trash by its name; asked only where it is there, for of format 1 an image has nothing that we
 * would see before.
 */
export async function finishInterruptedRemoval(place: OpenPool, name: string): Promise<boolean> {
  const found = await unlessAbsent(readInterruptedRemovals(place));
  return found?.some((one) => one.name === name) === true && removeImage(place, name);
}

/**
 * librbd also answers ENOENT when it cannot move an image to the trash, e.g.
 * in a pool over its object quota (seen with 16.2).
 */
async function confirmAbsence(place: OpenPool, name: string): Promise<void> {
  const id = await unlessAbsent(readImageId(place, name));
  if (id !== undefined) {
    const what = `remove image ${specOf(place.at, name)}`;
    throw refusalError('BERTH_CEPH_ERROR', {
      what,
      why: 'librbd answers ENOENT although it is there; is the pool over its quota?',
    });
  }
  await place.link.checkPool(place.at);
}

/** @throws BERTH_IMAGE_IN_GROUP */
export async function refuseGrouped(place: OpenPool, name: string): Promise<void> {
  const group = await withImage(place, name, 'read-only', (image) => groupOf(place, image));
  if (group === undefined) return;
  const image = specOf(place.at, name);
  throw refusalError('BERTH_IMAGE_IN_GROUP', { image, group: specOf(place.at, group) });
}

async function whoUses(place: OpenPool, name: string, result: number): Promise<string> {
  const users = await withImage(place, name, 'read-only', async (image) => ({
    snapshots: await snapshotsOf(place, image),
    watchers: await watchersOf(place, image),
  })).catch((error: unknown) => {
    if (error instanceof CephErrno) return undefined;
    throw error;
  });
  const reasons = [
    ...(users?.watchers ?? []).map(({ address }) => `watched by ${address}`),
    ...(users?.snapshots.length ? [`snapshots ${users.snapshots.join(', ')}`] : []),
  ];
  return reasons.length > 0 ? reasons.join('; ') : new CephErrno(result, 'remove image').message;
}
