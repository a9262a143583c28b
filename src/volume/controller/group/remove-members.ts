/** Removes what one attempt at a group snapshot has cut, or may have: each of its snapshots by its name. */
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import { memberName } from '../../../model/snapshot/group-id.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { Credentials } from '../../image/find-volume.js';
import { deletedName } from '../../image/image-name.js';
import type { Purges } from '../delete/purges.js';
import { deletedVolume, unlessPlaceGone } from '../snapshot/find-snapshot.js';
import type { Attempt, GroupMember } from './group-record.js';

export interface RemovalParts {
  readonly clusters: Pick<Clusters, 'pool'>;
  readonly rbd: Pick<RbdPort, 'snapshotsById' | 'removeSnapshotById'>;
  readonly purges: Pick<Purges, 'begin'>;
}

/**
 * Those that are gone, with their images as well, are a success. BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS where the
 * clusters file does not list the place of one; BERTH_IMAGE_BUSY where somebody has protected it, BERTH_IMAGE_LOCKED,
 * BERTH_IMAGE_EXCLUSIVE.
 */
export async function removeMembers(
  parts: RemovalParts,
  name: string,
  { attempt, members }: Attempt,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  const snapshot = memberName({ name, attempt });
  const removals = await Promise.allSettled(
    members.map((member) => removeMember(parts, snapshot, member, secrets, deadline)),
  );
  const failed = removals.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

async function removeMember(
  { clusters, rbd, purges }: RemovalParts,
  snapshot: string,
  { volume, imageId }: GroupMember,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  const id = parseVolumeId(volume);
  if (id === undefined) return;
  const at = await clusters.pool(id, 'controller', secrets);
  const image = await unlessPlaceGone(rbd.snapshotsById(at, imageId, deadline));
  if (image === undefined) return;
  const found = image.snapshots.find(({ kind, name }) => kind === 'user' && name === snapshot);
  try {
    if (found !== undefined) await rbd.removeSnapshotById(at, imageId, found.id, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) throw error;
    return;
  }
  // The image of a deleted volume waits for its last snapshot.
  if (deletedVolume(image.head, imageId) !== undefined) purges.begin({ ...at, image: deletedName(imageId) }, imageId);
}
