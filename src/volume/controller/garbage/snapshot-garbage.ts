/** Snapshots that Berth cut for a purpose of its own, and that nothing needs any more. */
import type { Deadline } from '../../../model/deadline.js';
import { parseMemberName } from '../../../model/snapshot/group-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageRef, RbdPort } from '../../../rbd/port.js';
import { GROWTH_SNAPSHOT, parseGrowth } from '../../image/growth-record.js';
import { parseVolumeRecord } from '../../image/volume-record.js';
import { copyOfCut } from '../create/copy/copy-records.js';
import { GroupRecords, type GroupRecord, type GroupRecordsPort } from '../group/group-record.js';
import { unlessPlaceGone, volumeOf } from '../snapshot/find-snapshot.js';
import {
  isOld,
  unlessGone,
  unlessUnreadable,
  whereIs,
  type Garbage,
  type GarbageEnd,
  type GarbageKind,
  type SeenCut,
} from './garbage.js';

export interface SnapshotGarbageParts {
  readonly clusters: Pick<Clusters, 'pools' | 'registry'>;
  readonly rbd: GroupRecordsPort & Pick<RbdPort, 'head' | 'snapshotById' | 'removeSnapshotById'>;
  readonly now: () => Date;
}

/** What it is, where nothing needs it; undefined for all others. */
interface Purpose {
  readonly kind: GarbageKind;
  readonly says: string;
  readonly keptBecause?: string;
}

const ELSEWHERE = 'its group may be recorded by an installation with another registry; `rbd snap rm` removes it';

/** A read or two where its name is one of ours, else none. */
export async function judgeSnapshot(
  parts: SnapshotGarbageParts,
  cut: SeenCut,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const { at, head, snapshot } = cut;
  const purpose = await purposeOf(parts, cut, deadline);
  if (purpose === undefined) return undefined;
  const remove = async (_known: unknown, deadline: Deadline): Promise<boolean> => {
    const now = await parts.rbd.snapshotById(at, head.id, snapshot.id, deadline);
    if (now?.snapshot.name !== snapshot.name) return false;
    if ((await purposeOf(parts, { at, ...now }, deadline)) === undefined) return false;
    return (await unlessGone(parts.rbd.removeSnapshotById(at, head.id, snapshot.id, deadline))) ?? false;
  };
  const { kind, says, keptBecause } = purpose;
  const end: GarbageEnd = keptBecause === undefined ? { remove } : { keptBecause };
  const { cluster } = at.access;
  const since = snapshot.createdAt.toISOString();
  return { kind, cluster, where: whereIs(at, snapshot.name), says, since, end };
}

async function purposeOf(
  parts: SnapshotGarbageParts,
  { at, head, snapshot: { name, kind, createdAt } }: SeenCut,
  deadline: Deadline,
): Promise<Purpose | undefined> {
  if (kind !== 'user' || !isOld(createdAt, parts.now())) return undefined;
  const copy = copyOfCut(name);
  if (copy !== undefined) {
    const isBeingMade = await isUnfinished(parts, at, copy, deadline);
    const says = `cut to copy the volume into image ${copy}, by a create that was cut short`;
    return isBeingMade ? undefined : { kind: 'clone-snapshot', says };
  }
  if (name.startsWith(GROWTH_SNAPSHOT)) {
    const growth = unlessUnreadable(() => parseGrowth(head, volumeOf(at, at.image, head) ?? ''));
    const isNeeded = growth === 'unreadable' || growth?.snapshot === name;
    const says = 'taken before a growth that the image knows nothing of';
    return isNeeded ? undefined : { kind: 'growth-snapshot', says };
  }
  return (await isStrayMember(parts, at, name, deadline))
    ? { kind: 'group-snapshot', says: 'cut for a group snapshot that has no record here', keptBecause: ELSEWHERE }
    : undefined;
}

/** Has any place of the cluster an image of the copy's name without a record of its own? It may need the cut. */
async function isUnfinished(
  { clusters, rbd }: SnapshotGarbageParts,
  { access }: ImageRef,
  image: string,
  deadline: Deadline,
): Promise<boolean> {
  for (const place of await clusters.pools('controller')) {
    if (place.access.cluster !== access.cluster) continue;
    const head = await unlessPlaceGone(rbd.head({ ...place, image }, deadline));
    if (head === undefined) continue;
    const record = unlessUnreadable(() => parseVolumeRecord(head.metadata, volumeOf(place, image, head) ?? '', head));
    if (record === undefined || record === 'unreadable') return true;
  }
  return false;
}

/** Is it a member by its name, while the record of the group says nothing of that attempt? */
async function isStrayMember(
  { clusters, rbd }: SnapshotGarbageParts,
  { access: { cluster } }: ImageRef,
  snapshot: string,
  deadline: Deadline,
): Promise<boolean> {
  const member = parseMemberName(snapshot);
  if (member === undefined) return false;
  const registry = await clusters.registry(cluster, 'controller', deadline);
  const record = await new GroupRecords(rbd, registry).read(member.name, deadline);
  return record === undefined || !hasAttempt(record, member.attempt);
}

const hasAttempt = ({ attempt, earlier }: GroupRecord, wanted: string): boolean =>
  attempt === wanted || earlier.some((one) => one.attempt === wanted);
