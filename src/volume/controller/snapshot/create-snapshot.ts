/**
 * CreateSnapshot: one RBD snapshot of the image, called by the CSI name. The name is claimed first, the snapshot is cut
 * by the image's id, and what was cut counts once the image is seen not to have been deleted meanwhile.
 */
import { randomUUID } from 'node:crypto';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { VolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { locate, type Credentials } from '../../image/find-volume.js';
import { isHalfGrown, refuseHalfGrown } from '../../image/growth-record.js';
import type { RunningOperation } from '../../operation/operations.js';
import type { ControllerSteps } from '../../operation/steps.js';
import type { ControllerOperations } from '../controller-operations.js';
import type { ForeignImages } from '../list/foreign-images.js';
import { claimName, recordedSnapshot, removeRecorded, type ClaimParts, type WantedName } from './claim-name.js';
import { goneError, isGoing, seenSnapshot, type SeenSnapshot } from './find-snapshot.js';
import { NameRecords, type NameRecord, type ReadRecord } from './name-record.js';
import { snapshotName } from './snapshot-name.js';

export interface CreateSnapshotParts extends ClaimParts {
  readonly clusters: ClaimParts['clusters'] & Pick<Clusters, 'registry'>;
  readonly rbd: ClaimParts['rbd'] & Pick<RbdPort, 'head' | 'cutById'>;
  /** Told that an image has one now, which its lists are to show at once. */
  readonly withoutSnapshots: Pick<ForeignImages, 'forget'>;
  readonly operations: ControllerOperations;
}

export interface SnapshotRequest {
  readonly name: string;
  /** The source. */
  readonly volume: string;
  readonly secrets: Credentials | undefined;
}

/** One attempt on its way. */
interface Attempt {
  readonly parts: CreateSnapshotParts;
  readonly names: NameRecords;
  readonly wanted: WantedName;
  readonly at: ImageRef;
  readonly operation: RunningOperation<ControllerSteps, 'createSnapshot'>;
  readonly deadline: Deadline;
}

/** Everything that is done to a snapshot's name is one operation at a time, whichever volume it is about. */
export const operationKey = ({ cluster }: Pick<VolumeId, 'cluster'>, name: string): string => `${cluster}/${name}`;

/**
 * Take the snapshot, or answer the one that is there, in one round of the monitors. It runs beside an attach, a stage
 * or a growth of the volume, which Ceph orders, and not beside its delete.
 * BERTH_VOLUME_NOT_FOUND, BERTH_VOLUME_DELETING,
 * BERTH_GROWTH_UNFINISHED where it may be half grown,
 * BERTH_SNAPSHOT_EXISTS and BERTH_SNAPSHOT_PENDING where the name is another source's, BERTH_IMAGE_LOCKED,
 * BERTH_IMAGE_EXCLUSIVE.
 */
export async function createSnapshot(
  parts: CreateSnapshotParts,
  request: SnapshotRequest,
  deadline: Deadline,
): Promise<SeenSnapshot> {
  const { name: called, volume, secrets } = request;
  const place = await locate(parts.clusters, volume, 'controller', secrets);
  if (place === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  const { id, at } = place;
  const wanted: WantedName = { name: snapshotName(called), called, volume, secrets };
  const what = { op: 'createSnapshot', fingerprint: volume } as const;
  return parts.operations.run(operationKey(id, wanted.name), what, deadline, async (operation, deadline) => {
    operation.step('look');
    const registry = await parts.clusters.registry(id.cluster, 'controller', deadline, secrets);
    const names = new NameRecords(parts.rbd, registry);
    const attempt: Attempt = { parts, names, wanted, at, operation, deadline };
    const head = await parts.rbd.head(at, deadline);
    if (head === undefined || isGoing(head, volume)) return takenBefore(attempt, head);
    return takeSnapshot(attempt, head);
  });
}

async function takeSnapshot(attempt: Attempt, head: ImageHead): Promise<SeenSnapshot> {
  const { parts, names, wanted, at, operation, deadline } = attempt;
  operation.step('claim name');
  const began = parts.now().toISOString();
  const mine: NameRecord = { version: 1, volume: wanted.volume, imageId: head.id, at: began, attempt: randomUUID() };
  const claimed = await claimName(parts, names, wanted, mine, deadline);
  if ('present' in claimed) {
    const { present } = claimed;
    parts.withoutSnapshots.forget(present.at, present.imageId);
    return seenSnapshot(present.at, present.imageId, present.snapshot, wanted.volume);
  }
  operation.step('take snapshot');
  await cut(attempt, head, claimed.record);
  parts.withoutSnapshots.forget(at, head.id);
  operation.step('look at snapshot');
  const now = await parts.rbd.snapshotsById(at, head.id, deadline);
  const taken = now?.snapshots.find(({ name, kind }) => name === wanted.name && kind === 'user');
  // A delete that came before the cut may have begun to remove data: what was cut then is not whole.
  if (now === undefined || taken === undefined || isGoing(now.head, wanted.volume)) {
    await undo(attempt, claimed.record);
    if (now === undefined || taken === undefined)
      throw berthError('BERTH_RECORD_CONTENDED', { volume: wanted.name, times: 1 });
    throw goneError(wanted.volume, now.head);
  }
  // Cut while resize2fs was at work on it, nothing repairs it.
  const seen = [head, now.head].map((one) => ({ head: one, volume: wanted.volume }));
  if (seen.some(isHalfGrown)) {
    await undo(attempt, claimed.record);
    for (const one of seen) refuseHalfGrown(one, 'a snapshot of it would be half grown as well');
  }
  operation.step('write name');
  await writeTaken(attempt, { ...mine, snapshotId: String(taken.id) }, claimed.record);
  return seenSnapshot(at, head.id, taken, wanted.volume);
}

/** What surely was not taken leaves no name behind. */
async function cut(attempt: Attempt, { id }: ImageHead, record: ReadRecord): Promise<void> {
  const { parts, names, wanted, at, operation, deadline } = attempt;
  try {
    await parts.rbd.cutById(at, id, wanted.name, deadline);
  } catch (error) {
    if (!isBerthError(error, ...REFUSALS)) throw error;
    operation.step('give name back');
    await names.forget(wanted.name, record, deadline);
    if (!isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) throw error;
    throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: wanted.volume }, error);
  }
}

/** Ceph has answered that it takes none. */
const REFUSALS = [
  'BERTH_IMAGE_NOT_FOUND',
  'BERTH_IMAGE_LOCKED',
  'BERTH_IMAGE_EXCLUSIVE',
  'BERTH_CEPH_DENIED',
  'BERTH_CEPH_FULL',
] as const;

/** Lost races before the caller is told to come again. */
const ATTEMPTS = 8;

/**
 * Says that the snapshot is whole. Another controller may be at the same one, and whoever comes first says it for both.
 * Where the name is another source's by now, this attempt took too long, and its snapshot goes again.
 */
async function writeTaken(attempt: Attempt, taken: NameRecord, claimed: ReadRecord): Promise<void> {
  const { parts, names, wanted, at, deadline } = attempt;
  let present: ReadRecord | undefined = claimed;
  for (let round = 0; round < ATTEMPTS; round += 1) {
    if (present === undefined) break;
    if (present.imageId !== taken.imageId) {
      const snapshot = { id: BigInt(taken.snapshotId ?? 0) };
      await removeRecorded(parts, { at, imageId: taken.imageId, snapshot }, deadline);
      throw berthError('BERTH_SNAPSHOT_PENDING', { name: wanted.called, volume: present.volume, since: present.at });
    }
    if (present.snapshotId === taken.snapshotId) return;
    if (present.undoing === true) break;
    if ((await names.change(wanted.name, present, taken, deadline)) !== undefined) return;
    present = await names.read(wanted.name, deadline);
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume: wanted.name, times: ATTEMPTS });
}

/**
 * The volume is gone, or goes: a snapshot that was taken before, and is whole, is still there and the answer. What an
 * attempt left that was cut short is removed. BERTH_VOLUME_NOT_FOUND, BERTH_VOLUME_DELETING.
 */
async function takenBefore(attempt: Attempt, head: ImageHead | undefined): Promise<SeenSnapshot> {
  const { parts, names, wanted, deadline } = attempt;
  const record = await names.read(wanted.name, deadline);
  if (record?.volume === wanted.volume) {
    const found = await recordedSnapshot(parts, wanted, record, deadline);
    if (record.snapshotId === undefined) await undo(attempt, record);
    else if (found !== undefined) return seenSnapshot(found.at, found.imageId, found.snapshot, wanted.volume);
    else await names.forget(wanted.name, record, deadline);
  }
  throw goneError(wanted.volume, head);
}

/** From the moment that the record says so, nobody takes the snapshot for taken; then it goes, and then the record. */
async function undo(attempt: Attempt, record: ReadRecord): Promise<void> {
  const { parts, names, wanted, operation, deadline } = attempt;
  operation.step('undo snapshot');
  const { version, volume, imageId, at, attempt: made } = record;
  const undoing = await names.change(
    wanted.name,
    record,
    { version, volume, imageId, at, attempt: made, undoing: true },
    deadline,
  );
  // Another controller is at it, and has seen its own cut to be whole or will find out that it is not.
  if (undoing === undefined) return;
  const found = await recordedSnapshot(parts, wanted, undoing, deadline);
  if (found !== undefined) await removeRecorded(parts, found, deadline);
  operation.step('give name back');
  await names.forget(wanted.name, undoing, deadline);
}
