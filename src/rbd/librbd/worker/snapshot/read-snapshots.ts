/** Snapshots as an image's header has them (class rbd, snapshot_get), read without opening the image. */
import type { ImageSnapshots, Snapshot, SnapshotKind, SnapshotWithHead } from '../../../port/snapshot-port.js';
import { CephErrno, ENOENT } from '../../ceph-errors.js';
import { Decoder, Encoder } from '../../foreign/ceph-encoding.js';
import { header, rbdClass, readHeaderAnd, SNAPSHOTS, snapshotContextIn, unlessImageAbsent } from '../image-header.js';
import { callClasses } from '../object-operation.js';
import type { ClassCall } from '../object-operation.js';
import type { OpenPool } from '../open-pool.js';

/** Snapshots read in one operation. */
const PAGE = 64;
/** Reads of an image whose snapshots go while they are read, before the caller is told to come again. */
const ATTEMPTS = 5;

const snapshotCall = (id: bigint): ClassCall => rbdClass('snapshot_get', new Encoder().u64(id));

/** One operation. A header that lacks the snapshot answers ENOENT as an absent one does. */
export const readSnapshotById = (
  place: OpenPool,
  imageId: string,
  snapshotId: bigint,
): Promise<SnapshotWithHead | undefined> =>
  unlessImageAbsent(place, async () => {
    const { head, answers } = await readHeaderAnd(place, imageId, [snapshotCall(snapshotId)]);
    return { head, snapshot: snapshotIn(answers[0] ?? Buffer.alloc(0)) };
  });

/** One operation, and one for every 64 snapshots. */
export const readSnapshots = (place: OpenPool, imageId: string): Promise<ImageSnapshots | undefined> =>
  unlessImageAbsent(place, async () => {
    for (let attempt = 1; ; attempt += 1) {
      const { head, answers } = await readHeaderAnd(place, imageId, [SNAPSHOTS]);
      const { ids } = snapshotContextIn(answers[0]);
      const snapshots = await readAll(place, imageId, ids.toReversed(), attempt < ATTEMPTS);
      if (snapshots !== undefined) return { head, snapshots };
    }
  });

/** Undefined where one of them has gone meanwhile, and the reading may be repeated. */
async function readAll(
  { link, io }: OpenPool,
  imageId: string,
  ids: readonly bigint[],
  mayRepeat: boolean,
): Promise<Snapshot[] | undefined> {
  const found: Snapshot[] = [];
  for (let from = 0; from < ids.length; from += PAGE) {
    const calls = ids.slice(from, from + PAGE).map(snapshotCall);
    try {
      const answers = await callClasses(link.ceph, io, header(imageId), calls);
      found.push(...answers.map(snapshotIn));
    } catch (error) {
      if (mayRepeat && error instanceof CephErrno && error.is(ENOENT)) return undefined;
      throw error;
    }
  }
  return found;
}

/** SNAPSHOT_NAMESPACE_TYPE_... of cls_rbd_types.h. */
const KINDS: readonly SnapshotKind[] = ['user', 'group', 'trash', 'mirror'];

/** cls::rbd::SnapshotInfo. */
function snapshotIn(answer: Buffer): Snapshot {
  const info = new Decoder(answer).versioned();
  const id = info.u64();
  const space = info.versioned();
  const kind = KINDS[space.u32()] ?? 'other';
  // TrashSnapshotNamespace: the name, and the kind that it was of.
  const before = kind === 'trash' ? { nameBefore: space.text() } : {};
  const name = info.text();
  const sizeBytes = info.u64();
  const [seconds, nanoseconds] = [info.u32(), info.u32()];
  const createdAt = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
  return { id, name, ...before, kind, sizeBytes, createdAt, cloneCount: info.u32() };
}
