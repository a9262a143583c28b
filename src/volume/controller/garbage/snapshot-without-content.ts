/**
 * Snapshots that somebody was told of, and that no VolumeSnapshotContent names any more. They hold data, and whoever
 * deletes an object that says `Retain` keeps just that: they are shown, and stay.
 */
import type { Deadline } from '../../../model/deadline.js';
import { parseMemberName } from '../../../model/snapshot/group-id.js';
import { formatSnapshotId } from '../../../model/snapshot/snapshot-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import { parseVolumeRecord } from '../../image/volume-record.js';
import { volumeOf } from '../snapshot/find-snapshot.js';
import { NameRecords, type NamesPort } from '../snapshot/name-record.js';
import { isOurSnapshot } from '../snapshot/snapshot-name.js';
import { isOld, unlessUnreadable, whereIs, type Garbage, type GarbageEnd, type SeenCut } from './garbage.js';
import { IN_DOUBT, whoseIs } from './known-contents.js';
import type { Knowledge } from './knowledge.js';

export interface ToldSnapshotParts {
  readonly clusters: Pick<Clusters, 'registry'>;
  readonly rbd: NamesPort;
  readonly now: () => Date;
}

const KEPT: GarbageEnd = {
  keptBecause: 'it holds data: a VolumeSnapshotContent with its handle brings it back, `rbd snap rm` removes it',
};

/** Ceph is asked nothing where the orchestrator explains it, else one read. BERTH_RECORD_UNREADABLE. */
export async function judgeToldSnapshot(
  parts: ToldSnapshotParts,
  cut: SeenCut,
  known: Knowledge,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const { at, head, snapshot } = cut;
  // A member stands or goes with its group.
  if (!isOurSnapshot(snapshot) || parseMemberName(snapshot.name) !== undefined) return undefined;
  const volume = volumeOf(at, at.image, head);
  if (volume === undefined || !isOld(snapshot.createdAt, parts.now())) return undefined;
  const contents = known.contents('VolumeSnapshotContent');
  const { cluster } = at.access;
  const handle = formatSnapshotId({ ...at, cluster, imageId: head.id, snapshotId: snapshot.id });
  if (contents === undefined || contents.explains(handle, [volume])) return undefined;
  const whose = whoseIs(
    unlessUnreadable(() => parseVolumeRecord(head.metadata, volume, head)),
    contents,
  );
  if (whose === 'elsewhere' || (await isUntold(parts, cut, deadline))) return undefined;
  return {
    kind: 'snapshot',
    cluster,
    where: whereIs(at, snapshot.name),
    says: `snapshot ${handle} of volume ${volume} has no VolumeSnapshotContent`,
    since: snapshot.createdAt.toISOString(),
    end: whose === 'here' ? KEPT : { keptBecause: IN_DOUBT, isDoubtful: true },
  };
}

/** Then its name's record is what is judged, and the two go together. */
async function isUntold(
  { clusters, rbd }: ToldSnapshotParts,
  { at, head, snapshot }: SeenCut,
  deadline: Deadline,
): Promise<boolean> {
  const registry = await clusters.registry(at.access.cluster, 'controller', deadline);
  const record = await new NameRecords(rbd, registry).read(snapshot.name, deadline);
  return record !== undefined && record.imageId === head.id && record.snapshotId === undefined;
}
