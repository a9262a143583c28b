/**
 * Group snapshots that were taken, and that no VolumeGroupSnapshotContent names any more. They hold data and stay, as
 * single ones do; a record of which no snapshot is left holds none, and goes.
 */
import type { Deadline } from '../../../model/deadline.js';
import { formatGroupId } from '../../../model/snapshot/group-id.js';
import { formatSnapshotId } from '../../../model/snapshot/snapshot-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../rbd/port.js';
import { locate } from '../../image/find-volume.js';
import { parseVolumeRecord } from '../../image/volume-record.js';
import {
  GroupRecords,
  GROUPS_OBJECT,
  type GroupMember,
  type GroupRecordsPort,
  type ReadGroup,
} from '../group/group-record.js';
import { unlessPlaceGone } from '../snapshot/find-snapshot.js';
import { unlessUnreadable, type Garbage, type GarbageEnd } from './garbage.js';
import { IN_DOUBT, whoseIs } from './known-contents.js';
import type { Knowledge } from './knowledge.js';

export interface ToldGroupParts {
  readonly clusters: Pick<Clusters, 'all' | 'image' | 'pool'>;
  readonly rbd: GroupRecordsPort & Pick<RbdPort, 'snapshotById'>;
}

/** A group as its record says it is. */
export interface SeenGroupRecord {
  readonly registry: PoolRef;
  /** In RBD. */
  readonly name: string;
  readonly record: ReadGroup;
  /** DeleteVolumeGroupSnapshot of it. */
  readonly remove: (deadline: Deadline) => Promise<void>;
}

/** A member's snapshot, with the image as it is now. */
interface FoundMember {
  readonly volume: string;
  readonly handle: string;
  readonly head: ImageHead;
}

const KEPT: GarbageEnd = {
  keptBecause: 'it holds data: a VolumeGroupSnapshotContent with its handle brings it back',
};

/** Ceph is asked nothing where the orchestrator explains the group, else one read a member. */
export async function judgeToldGroup(
  parts: ToldGroupParts,
  group: SeenGroupRecord,
  known: Knowledge,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const { registry, name, record } = group;
  const { cluster } = registry.access;
  const volumes = record.members.map(({ volume }) => volume);
  const handle = formatGroupId({ cluster, name, attempt: record.attempt });
  const [groups, singles] = [known.contents('VolumeGroupSnapshotContent'), known.contents('VolumeSnapshotContent')];
  if (groups === undefined || singles === undefined || groups.explains(handle, volumes)) return undefined;
  const members = await findMembers(parts, record.members, deadline);
  // Who kept the single ones alone keeps the group: they go by it and by nothing else.
  if (members === 'unlisted' || members.some((one) => singles.explains(one.handle, [one.volume]))) return undefined;
  const records = members.map(({ head, volume }) =>
    unlessUnreadable(() => parseVolumeRecord(head.metadata, volume, head)),
  );
  const whose = records.map((one) => whoseIs(one, groups));
  if (whose.includes('elsewhere')) return undefined;
  const isHere = whose.every((one) => one === 'here');
  const what = `group snapshot ${handle} of ${volumes.join(', ')}`;
  const all = { kind: 'told-group', cluster, where: `${GROUPS_OBJECT} ${name}`, since: record.at } as const;
  if (members.length === 0)
    return { ...all, says: `${what}: none of its snapshots is there any more`, end: { remove: removal(parts, group) } };
  const end: GarbageEnd = isHere ? KEPT : { keptBecause: IN_DOUBT, isDoubtful: true };
  return { ...all, says: `${what} has no VolumeGroupSnapshotContent`, end };
}

/** Those whose snapshots are there; `unlisted` where one is in a place that the clusters file does not list. */
async function findMembers(
  { clusters, rbd }: ToldGroupParts,
  members: readonly GroupMember[],
  deadline: Deadline,
): Promise<readonly FoundMember[] | 'unlisted'> {
  const there: FoundMember[] = [];
  for (const { volume, imageId, snapshotId } of members) {
    const place = await locate(clusters, volume, 'controller', undefined);
    if (place === undefined) return 'unlisted';
    if (snapshotId === undefined) continue;
    const id = { ...place.id, imageId, snapshotId: BigInt(snapshotId) };
    const found = await unlessPlaceGone(rbd.snapshotById(place.at, imageId, id.snapshotId, deadline));
    if (found?.snapshot.kind === 'user') there.push({ volume, handle: formatSnapshotId(id), head: found.head });
  }
  return there;
}

/** Every snapshot of it has gone by hand: DeleteVolumeGroupSnapshot has only the record to remove. */
const removal =
  (parts: ToldGroupParts, { registry, name, record, remove }: SeenGroupRecord) =>
  async (_known: unknown, deadline: Deadline): Promise<boolean> => {
    const now = await new GroupRecords(parts.rbd, registry).read(name, deadline);
    if (now?.text !== record.text) return false;
    const members = await findMembers(parts, now.members, deadline);
    if (members === 'unlisted' || members.length > 0) return false;
    await remove(deadline);
    return true;
  };
