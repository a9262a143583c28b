/**
 * Removes the data of one deleted volume: leased from other controllers, in slices that each end soon, when nothing
 * needs it any more.
 */
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import { parseGrowth } from '../../image/growth-record.js';
import { parseDeleted, type DeletedRecord } from './deleted-record.js';
import { exchangeDeleted } from './mark-deleted.js';
import type { GentleSlices } from './gentle-slices.js';
import { SlicePace } from './slice-pace.js';

/** For how long a controller has an image for itself, in ms; renewed between slices. Two at once do no harm. */
const LEASE_MS = 30_000;
/** What a small operation may take, and what a slice may, in ms; a slice is made to take far less. */
const OPERATION_MS = 30_000;
const SLICE_MS = 300_000;

export interface PurgeParts {
  /** Over the worker for long work: nothing else waits for a thread of it. */
  readonly longWork: Pick<
    RbdPort,
    | 'headById'
    | 'usersOf'
    | 'snapshotsById'
    | 'compareAndSet'
    | 'rename'
    | 'removeSnapshot'
    | 'cutTo'
    | 'remove'
    | 'finishInterruptedRemoval'
  >;
  /** Made up anew by each process. */
  readonly by: string;
  readonly now: () => Date;
  /** Whatever is asked of Ceph goes through these. */
  readonly slices: Pick<GentleSlices, 'run'>;
  /** To be asked before each slice. */
  readonly stopped: () => boolean;
}

/** What came of it; `until` in ms since the epoch. */
export type PurgeEnd =
  | { readonly kind: 'purged'; readonly sizeBytes: bigint; readonly parentId: string | undefined }
  /** Another controller, or a person, was there before. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'kept'; readonly since: string; readonly until: number }
  | { readonly kind: 'leased'; readonly since: string; readonly until: number }
  | { readonly kind: 'waits'; readonly since: string; readonly for: 'snapshots' | 'watchers' | 'group' | 'lock' }
  /** Its name says that it is deleted, and its record does not: nothing is done to it. */
  | { readonly kind: 'unmarked' }
  | { readonly kind: 'stopped'; readonly since: string };

const soon = (): Deadline => Deadline.after(OPERATION_MS);

/** An image that may go: everything was looked at, and it is leased. */
interface Leased {
  readonly kind: 'leased to us';
  readonly head: ImageHead;
  readonly record: DeletedRecord;
  readonly parentId: string | undefined;
}

/** @param at by the name of a deleted volume. BERTH_RECORD_UNREADABLE, and those of Ceph. */
export async function purgeImage(parts: PurgeParts, at: ImageRef, id: string): Promise<PurgeEnd> {
  const begun = await parts.slices.run(at.access.cluster, () => lease(parts, at, id));
  if (begun.kind !== 'leased to us') return begun;
  const { head, record, parentId } = begun;
  if (!(await cutDown(parts, at, head))) return { kind: 'stopped', since: record.at };
  return parts.slices.run(at.access.cluster, () => removeRest(parts, at, head, record, parentId));
}

/** What has to be so before anything of it goes. */
async function lease(parts: PurgeParts, at: ImageRef, id: string): Promise<Leased | PurgeEnd> {
  const { longWork, now } = parts;
  const head = await longWork.headById(at, id, soon());
  if (head === undefined) return finishRemoval(parts, at, { sizeBytes: 0n, since: now().toISOString() });
  const record = parseDeleted(head, at.image);
  if (record === undefined || record.restoring === true) return { kind: 'unmarked' };
  const until = Date.parse(record.keepUntil ?? '');
  if (until > now().getTime()) return { kind: 'kept', since: record.at, until };
  const isNamed = await completeRename(parts, at, head, record);
  const growth = parseGrowth(head, record.volume);
  const parentId = isNamed ? await unlessUsed(parts, at, head, record, growth === undefined ? 0 : 1) : undefined;
  if (typeof parentId === 'object') return parentId;
  const taken = await takeLease(parts, at, head);
  if (taken === undefined) return { kind: 'gone' };
  if (taken.by !== parts.by) return { kind: 'leased', since: record.at, until: Date.parse(taken.until) };
  if (!isNamed) return finishRemoval(parts, at, { sizeBytes: head.sizeBytes, since: record.at });
  if (growth !== undefined) {
    // Nobody goes back to it any more.
    await longWork.removeSnapshot(at, growth.snapshot, soon());
    const used = await unlessUsed(parts, at, head, record, 0);
    if (typeof used === 'object') return used;
  }
  return { kind: 'leased to us', head, record, parentId };
}

/**
 * What librbd has moved to its trash already, by this name. A removal that runs elsewhere is busy and not disturbed.
 */
async function finishRemoval(
  { longWork }: PurgeParts,
  at: ImageRef,
  { sizeBytes, since }: { readonly sizeBytes: bigint; readonly since: string },
): Promise<PurgeEnd> {
  try {
    const wasThere = await longWork.finishInterruptedRemoval(at, Deadline.after(SLICE_MS));
    return wasThere ? { kind: 'purged', sizeBytes, parentId: undefined } : { kind: 'gone' };
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_BUSY')) return { kind: 'waits', since, for: 'watchers' };
    throw error;
  }
}

/**
 * A delete whose driver died between the steps of the rename, and that nobody repeats, is completed. False where the
 * image has neither name any more, because librbd has begun to remove it.
 */
function completeRename(
  { longWork }: PurgeParts,
  at: ImageRef,
  { id }: ImageHead,
  { volume }: DeletedRecord,
): Promise<boolean> {
  const image = parseVolumeId(volume)?.image ?? at.image;
  return longWork.rename({ ...at, image }, id, at.image, soon());
}

/**
 * The id of its parent, or why it has to wait.
 * @param own how many snapshots may be Berth's own, which guard a growth
 */
async function unlessUsed(
  { longWork }: PurgeParts,
  at: ImageRef,
  head: ImageHead,
  { at: since }: DeletedRecord,
  own: 0 | 1,
): Promise<string | undefined | PurgeEnd> {
  const waits = (what: 'snapshots' | 'watchers' | 'group' | 'lock'): PurgeEnd => ({ kind: 'waits', since, for: what });
  try {
    const { watchers, snapshots, parentId } = await longWork.usersOf(at, head.id, soon());
    if (snapshots > own && (await standingSnapshots(longWork, at, head.id)) > own) return waits('snapshots');
    if (watchers.length > 0) return waits('watchers');
    // librbd would wait beside it for ever, busily, and no call of it can be ended.
    return head.locks.length > 0 ? waits('lock') : parentId;
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_IN_GROUP')) return waits('group');
    throw error;
  }
}

/**
 * How many snapshots keep the image. One whose removal was cut short stands in Ceph's own trash; it is nobody's, and
 * librbd removes it with the image.
 */
async function standingSnapshots(longWork: PurgeParts['longWork'], at: ImageRef, id: string): Promise<number> {
  const { snapshots = [] } = (await longWork.snapshotsById(at, id, soon())) ?? {};
  return snapshots.filter(({ kind, cloneCount }) => kind !== 'trash' || cloneCount > 0).length;
}

/** Whose lease stands there now; undefined where the volume came back, or the image is gone. */
async function takeLease(
  { longWork, by, now }: PurgeParts,
  at: ImageRef,
  head: ImageHead,
): Promise<DeletedRecord['purge']> {
  const time = now().getTime();
  const mine = { by, until: new Date(time + LEASE_MS).toISOString() };
  const decide = (present: DeletedRecord | undefined): DeletedRecord | 'keep' => {
    if (present === undefined || present.restoring === true) return 'keep';
    if (Date.parse(present.keepUntil ?? '') > time) return 'keep';
    const { purge } = present;
    return purge !== undefined && purge.by !== by && Date.parse(purge.until) > time
      ? 'keep'
      : { ...present, purge: mine };
  };
  const record = await exchangeDeleted(longWork, at, head, at.image, decide, soon());
  return record?.restoring === true ? undefined : record?.purge;
}

/** Down to what one removal does in a moment. False where the driver stops: another controller goes on at once. */
async function cutDown(parts: PurgeParts, at: ImageRef, head: ImageHead): Promise<boolean> {
  const { longWork, now } = parts;
  const pace = new SlicePace(head.sizeBytes, head.objectSizeBytes);
  let renewAt = now().getTime() + LEASE_MS / 2;
  for (let size = pace.next(); size !== undefined; size = pace.next()) {
    if (parts.stopped()) {
      await returnLease(parts, at, head);
      return false;
    }
    const to = size;
    await parts.slices.run(at.access.cluster, async (targetMs) => {
      const begun = performance.now();
      await longWork.cutTo(at, to, Deadline.after(SLICE_MS));
      pace.took(performance.now() - begun, targetMs);
    });
    if (now().getTime() < renewAt) continue;
    await takeLease(parts, at, (await longWork.headById(at, head.id, soon())) ?? head);
    renewAt = now().getTime() + LEASE_MS / 2;
  }
  return true;
}

async function returnLease({ longWork, by, now }: PurgeParts, at: ImageRef, seen: ImageHead): Promise<void> {
  const head = await longWork.headById(at, seen.id, soon());
  if (head === undefined) return;
  const until = now().toISOString();
  const decide = (present: DeletedRecord | undefined): DeletedRecord | 'keep' =>
    present?.purge?.by === by ? { ...present, purge: { by, until } } : 'keep';
  await exchangeDeleted(longWork, at, head, at.image, decide, soon());
}

async function removeRest(
  parts: PurgeParts,
  at: ImageRef,
  { sizeBytes }: ImageHead,
  { at: since }: DeletedRecord,
  parentId: string | undefined,
): Promise<PurgeEnd> {
  try {
    await parts.longWork.remove(at, Deadline.after(SLICE_MS));
    return { kind: 'purged', sizeBytes, parentId };
  } catch (error) {
    // Opened, snapshotted or grouped since it was looked at.
    if (isBerthError(error, 'BERTH_IMAGE_BUSY')) return { kind: 'waits', since, for: 'watchers' };
    if (isBerthError(error, 'BERTH_IMAGE_IN_GROUP')) return { kind: 'waits', since, for: 'group' };
    throw error;
  }
}
