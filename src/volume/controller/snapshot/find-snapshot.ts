/** From a snapshot's handle to the snapshot, and to the volume that it is of, whatever became of that. */
import { holderRecordToTake, readDeleteClaim } from '../../../attachment/holder-record.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { formatGroupId, parseMemberName } from '../../../model/snapshot/group-id.js';
import { formatSnapshotId, parseSnapshotId, type SnapshotId } from '../../../model/snapshot/snapshot-id.js';
import { formatVolumeId, parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../rbd/port.js';
import type { Snapshot, SnapshotWithHead } from '../../../rbd/port/snapshot-port.js';
import { locate, type Credentials } from '../../image/find-volume.js';
import { isDeletedName } from '../../image/image-name.js';
import { parseDeleted } from '../delete/deleted-record.js';
import { isHalfRemoved, isOurSnapshot } from './snapshot-name.js';

export interface SnapshotLookup {
  readonly clusters: Pick<Clusters, 'all' | 'image' | 'pool'>;
  readonly rbd: Pick<RbdPort, 'snapshotById'>;
}

/** A snapshot of ours that a handle names and Ceph has. */
export interface FoundSnapshot extends SnapshotWithHead {
  readonly handle: string;
  readonly id: SnapshotId;
  readonly at: PoolRef;
}

/** A snapshot as an orchestrator sees it. */
export interface SeenSnapshot {
  readonly handle: string;
  /** The handle of the volume that it is of, or was of until that was deleted. */
  readonly volume: string;
  readonly sizeBytes: bigint;
  readonly createdAt: Date;
  /** The handle of the group snapshot that it belongs to; undefined for a single one. */
  readonly group: string | undefined;
}

/** One OSD operation; undefined where there is no such snapshot of ours, or no handle of ours. */
export const findSnapshot = (
  parts: SnapshotLookup,
  handle: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundSnapshot | undefined> => find(parts, handle, isOurSnapshot, secrets, deadline);

/** The same, also for one whose removal was cut short. */
export const findToRemove = (
  parts: SnapshotLookup,
  handle: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundSnapshot | undefined> =>
  find(parts, handle, (one) => isOurSnapshot(one) || isHalfRemoved(one), secrets, deadline);

async function find(
  { clusters, rbd }: SnapshotLookup,
  handle: string,
  isMeant: (snapshot: Snapshot) => boolean,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundSnapshot | undefined> {
  const id = parseSnapshotId(handle);
  if (id === undefined) return undefined;
  // The rules for a volume of that place are the rules for its snapshots.
  const place = await locate(clusters, formatVolumeId({ ...id, image: id.imageId }), 'controller', secrets);
  if (place === undefined) return undefined;
  const { access, pool, namespace } = place.at;
  const at: PoolRef = { access, pool, namespace };
  const found = await unlessPlaceGone(rbd.snapshotById(at, id.imageId, id.snapshotId, deadline));
  return found === undefined || !isMeant(found.snapshot) ? undefined : { handle, id, at, ...found };
}

/** Undefined where the cluster itself says that pool or namespace is gone: everything in it is, too. */
export async function unlessPlaceGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isBerthError(error, 'BERTH_POOL_NOT_FOUND', 'BERTH_NAMESPACE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Of a snapshot whose source is known. */
export const seenSnapshot = (
  { access: { cluster }, pool, namespace }: PoolRef,
  imageId: string,
  { id, name, sizeBytes, createdAt }: Snapshot,
  volume: string,
): SeenSnapshot => ({
  handle: formatSnapshotId({ cluster, pool, namespace, imageId, snapshotId: id }),
  volume,
  sizeBytes,
  createdAt,
  group: groupOf(cluster, name),
});

function groupOf(cluster: string, snapshot: string): string | undefined {
  const member = parseMemberName(snapshot);
  return member && formatGroupId({ cluster, ...member });
}

/**
 * The handle of the volume that an image is, or was until it was deleted; undefined for an image whose name no handle
 * can carry.
 */
export function volumeOf(
  { access: { cluster }, pool, namespace }: PoolRef,
  name: string,
  head: ImageHead,
): string | undefined {
  const deleted = deletedVolume(head, name);
  if (deleted !== undefined || isDeletedName(name)) return deleted;
  try {
    const volume = formatVolumeId({ cluster, pool, namespace, image: name });
    return parseVolumeId(volume) === undefined ? undefined : volume;
  } catch {
    return undefined;
  }
}

/** The handle that a deleted volume had. A record that cannot be read hides its snapshots and no others. */
export function deletedVolume(head: ImageHead, name: string): string | undefined {
  try {
    return parseDeleted(head, name)?.volume;
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_UNREADABLE')) return undefined;
    throw error;
  }
}

/** Is the volume being deleted, or is it deleted: may its data be going already? BERTH_RECORD_UNREADABLE. */
export const isGoing = (head: ImageHead, volume: string): boolean =>
  readDeleteClaim(head, volume) !== undefined || parseDeleted(head, volume) !== undefined;

/** Why there is nothing to take a snapshot of. */
export function goneError(volume: string, head: ImageHead | undefined): Error {
  try {
    if (head !== undefined) holderRecordToTake(head, volume);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return berthError('BERTH_VOLUME_NOT_FOUND', { volume });
}
