/**
 * Cuts one snapshot of each of several images at one moment: all are held, then all are cut, then all are let go. No
 * write that came after the cut in one image can follow from one that came before it in another.
 */
import type { ImageById } from '../../../port/group-port.js';
import { breakingLocks, describeLocks } from '../../../image-lock.js';
import { check, CephErrno, ENOENT, EROFS, refusalError } from '../../ceph-errors.js';
import type { Image } from '../../foreign/bindings.js';
import { withCells } from '../../foreign/c-memory.js';
import type { ClusterConnection } from '../cluster-connection.js';
import { readHeadById } from '../image-header.js';
import { withImage } from '../open/open-image.js';
import { specOf } from '../open-pool.js';
import type { OpenPool } from '../open-pool.js';
import type { WireAccess } from '../../worker-messages.js';
import type { Deadline } from '../../../../model/deadline.js';
import { HeldImage } from './held-image.js';

/** How long writers wait at most, in ms, before what is held is given up. */
const HOLD_MS = 20_000;

interface Member {
  readonly place: OpenPool;
  readonly id: string;
}

/** Each cut takes a thread as long as it is held: two groups at a time could wait for one another's threads. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * The ids of the snapshots, in the order of the images. What was cut of an attempt that fails stays.
 * @throws BERTH_IMAGE_NOT_FOUND, BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE, BERTH_GROUP_UNFIT, BERTH_GROUP_NOT_HELD
 */
export async function cutTogether(
  link: ClusterConnection,
  access: WireAccess,
  images: readonly ImageById[],
  snapshot: string,
  deadline: Deadline,
): Promise<bigint[]> {
  const members: Member[] = [];
  for (const { pool, namespace, imageId: id } of images) {
    const at = { access, pool, namespace };
    members.push({ place: { link, io: await link.pool(at), at, deadline }, id });
  }
  const begin = (): Promise<bigint[]> => {
    const what = `take snapshot ${snapshot}`;
    // Nobody waits for it any more: writers need not either.
    if (deadline.expired) return Promise.reject(refusalError('BERTH_DEADLINE', { what, ms: 0 }));
    return cut(members, snapshot);
  };
  const cutting = turn.then(begin, begin);
  turn = cutting;
  return cutting;
}

async function cut(members: readonly Member[], snapshot: string): Promise<bigint[]> {
  for (const member of members) await refuseUnfit(member);
  return withAll(members, [], async (images) => {
    const held = members.map(({ place }, n) => new HeldImage(place, images[n] as Image, snapshot));
    try {
      await holdAndCut(members, held);
    } finally {
      await Promise.all(held.map((one) => one.end()));
    }
    return Promise.all(members.map(({ place }, n) => snapshotId(place, images[n] as Image, snapshot)));
  });
}

/** In the order given, the same for everybody: two cuts of the same images wait for one another at the first. */
async function holdAndCut(members: readonly Member[], held: readonly HeldImage[]): Promise<void> {
  const dropAll = (): void => {
    for (const one of held) one.drop();
  };
  const late = new AbortController();
  late.signal.addEventListener('abort', dropAll);
  const timer = setTimeout(() => late.abort(), HOLD_MS);
  try {
    for (const [n, one] of held.entries()) await explained(members[n] as Member, one.hold());
  } finally {
    clearTimeout(timer);
  }
  if (late.signal.aborted)
    throw refusalError('BERTH_GROUP_NOT_HELD', { why: `not all were held within ${HOLD_MS / 1000} s` });
  const cuts = await Promise.allSettled(held.map((one, n) => explained(members[n] as Member, one.letGo())));
  const failed = cuts.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

const withAll = <T>(
  [member, ...others]: readonly Member[],
  opened: readonly Image[],
  work: (images: readonly Image[]) => Promise<T>,
): Promise<T> =>
  member === undefined
    ? work(opened)
    : explained(
        member,
        withImage(member.place, { id: member.id }, 'read-write', (image) => withAll(others, [...opened, image], work)),
      );

const snapshotId = ({ link: { ceph } }: OpenPool, image: Image, snapshot: string): Promise<bigint> =>
  withCells(1, async (cells) => {
    check(await ceph.rbd.snapshotId.later(image, snapshot, cells.at(0)), `look up snapshot ${snapshot}`);
    return cells.u64(0);
  });

/** An advisory lock would be waited for without end. */
async function refuseUnfit({ place, id }: Member): Promise<void> {
  const image = specOf(place.at, `id ${id}`);
  const head = await readHeadById(place, id);
  if (head === undefined) throw refusalError('BERTH_IMAGE_NOT_FOUND', { image });
  if (!head.features.includes('exclusive-lock')) {
    throw refusalError('BERTH_GROUP_UNFIT', { what: image, why: 'its image has no feature exclusive-lock' });
  }
  if (head.locks.length === 0) return;
  const { locks } = head;
  throw refusalError('BERTH_IMAGE_LOCKED', {
    image,
    locks: describeLocks(locks),
    breaking: breakingLocks(image, locks),
  });
}

/** Says of which image it was. */
async function explained<T>({ place, id }: Member, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof CephErrno)) throw error;
    const image = specOf(place.at, `id ${id}`);
    if (error.is(EROFS)) throw refusalError('BERTH_IMAGE_EXCLUSIVE', { image });
    if (error.is(ENOENT)) throw refusalError('BERTH_IMAGE_NOT_FOUND', { image });
    throw error;
  }
}
