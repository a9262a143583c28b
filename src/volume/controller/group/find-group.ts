/** From a group snapshot's record to what an orchestrator sees: all of its members, or none. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { formatGroupId } from '../../../model/snapshot/group-id.js';
import { formatSnapshotId } from '../../../model/snapshot/snapshot-id.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { Credentials } from '../../image/find-volume.js';
import { seenSnapshot, unlessPlaceGone, type SeenSnapshot } from '../snapshot/find-snapshot.js';
import type { GroupMember, GroupRecord } from './group-record.js';

export interface GroupLookup {
  readonly clusters: Pick<Clusters, 'pool'>;
  readonly rbd: Pick<RbdPort, 'snapshotById'>;
}

/** A group snapshot as an orchestrator sees it. */
export interface SeenGroup {
  readonly handle: string;
  readonly snapshots: readonly SeenSnapshot[];
  readonly createdAt: Date;
}

/** One OSD operation a member. BERTH_GROUP_INCOMPLETE where somebody removed one. */
export async function seenGroup(
  parts: GroupLookup,
  cluster: string,
  name: string,
  { attempt, members }: GroupRecord,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<SeenGroup> {
  const handle = formatGroupId({ cluster, name, attempt });
  const found = await Promise.all(members.map((member) => seenMember(parts, member, secrets, deadline)));
  const snapshots = found.filter((one) => one !== undefined);
  if (snapshots.length < members.length) {
    const volumes = members.filter((_, n) => found[n] === undefined).map(({ volume }) => volume);
    throw berthError('BERTH_GROUP_INCOMPLETE', { group: handle, volumes: volumes.join(', ') });
  }
  const createdAt = new Date(Math.max(...snapshots.map((one) => one.createdAt.getTime())));
  return { handle, snapshots, createdAt };
}

async function seenMember(
  { clusters, rbd }: GroupLookup,
  { volume, imageId, snapshotId }: GroupMember,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<SeenSnapshot | undefined> {
  const id = parseVolumeId(volume);
  if (id === undefined || snapshotId === undefined) return undefined;
  const at = await clusters.pool(id, 'controller', secrets);
  const found = await unlessPlaceGone(rbd.snapshotById(at, imageId, BigInt(snapshotId), deadline));
  return found?.snapshot.kind === 'user' ? seenSnapshot(at, imageId, found.snapshot, volume) : undefined;
}

/** BERTH_GROUP_MISMATCH where the caller names other members than there are; none named are as good as all. */
export function refuseOthers(group: string, { members }: GroupRecord, named: readonly string[]): void {
  if (named.length === 0) return;
  const have = members.map(({ volume, imageId, snapshotId }) => {
    const id = parseVolumeId(volume);
    if (id === undefined || snapshotId === undefined) return volume;
    return formatSnapshotId({ ...id, imageId, snapshotId: BigInt(snapshotId) });
  });
  const isSame = new Set(named).size === have.length && have.every((one) => named.includes(one));
  if (!isSame) throw berthError('BERTH_GROUP_MISMATCH', { group, have: have.join(', ') });
}
