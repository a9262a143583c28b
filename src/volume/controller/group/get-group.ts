/** GetVolumeGroupSnapshot: a group snapshot by its handle: its record, and each member as Ceph has it. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { parseGroupId } from '../../../model/snapshot/group-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { Credentials } from '../../image/find-volume.js';
import { refuseOthers, seenGroup, type GroupLookup, type SeenGroup } from './find-group.js';
import { GroupRecords, type GroupRecordsPort } from './group-record.js';

export interface GetGroupParts extends GroupLookup {
  readonly clusters: GroupLookup['clusters'] & Pick<Clusters, 'all' | 'registry'>;
  readonly rbd: GroupLookup['rbd'] & GroupRecordsPort;
}

/**
 * @param named snapshots that the caller takes for its members; none for whatever they are
 * BERTH_GROUP_NOT_FOUND, BERTH_GROUP_MISMATCH, BERTH_GROUP_INCOMPLETE.
 */
export async function getGroup(
  parts: GetGroupParts,
  handle: string,
  named: readonly string[],
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<SeenGroup> {
  const id = parseGroupId(handle);
  const isOurs = id !== undefined && (await parts.clusters.all()).some((one) => one.id === id.cluster);
  if (!isOurs) throw berthError('BERTH_GROUP_NOT_FOUND', { group: handle });
  const { cluster, name, attempt } = id;
  const registry = await parts.clusters.registry(cluster, 'controller', deadline, secrets);
  const record = await new GroupRecords(parts.rbd, registry).read(name, deadline);
  if (record?.state !== 'taken' || record.attempt !== attempt)
    throw berthError('BERTH_GROUP_NOT_FOUND', { group: handle });
  refuseOthers(handle, record, named);
  return seenGroup(parts, cluster, name, record, secrets, deadline);
}
