/**
 * DeleteVolumeGroupSnapshot: the record says so first, then the members go, then the record. A group that is gone
 * already, or was never ours, is a success.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { parseGroupId } from '../../../model/snapshot/group-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { Credentials } from '../../image/find-volume.js';
import type { ControllerOperations } from '../controller-operations.js';
import { refuseOthers } from './find-group.js';
import { groupKey, GroupRecords, type GroupRecordsPort, type ReadGroup } from './group-record.js';
import { removeMembers, type RemovalParts } from './remove-members.js';

export interface DeleteGroupParts extends RemovalParts {
  readonly clusters: RemovalParts['clusters'] & Pick<Clusters, 'registry'>;
  readonly rbd: RemovalParts['rbd'] & GroupRecordsPort;
  readonly operations: ControllerOperations;
}

/** Lost races before the caller is told to come again. */
const ATTEMPTS = 8;

/**
 * @param named snapshots that the caller takes for its members; none for whatever they are
 * BERTH_GROUP_MISMATCH; BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS for a place that the clusters file does not list,
 * most likely by a mistake: OK would leave snapshots behind. Of a member BERTH_IMAGE_BUSY, BERTH_IMAGE_LOCKED,
 * BERTH_IMAGE_EXCLUSIVE.
 */
export async function deleteGroup(
  parts: DeleteGroupParts,
  handle: string,
  named: readonly string[],
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  const id = parseGroupId(handle);
  if (id === undefined) return;
  const { cluster, name, attempt } = id;
  const what = { op: 'deleteGroup', fingerprint: [handle, ...named].join('\n') } as const;
  await parts.operations.run(groupKey(cluster, name), what, deadline, async (operation, deadline) => {
    operation.step('look');
    const registry = await parts.clusters.registry(cluster, 'controller', deadline, secrets);
    const records = new GroupRecords(parts.rbd, registry);
    const present = await records.read(name, deadline);
    if (present?.attempt !== attempt) return;
    if (present.state === 'taken') refuseOthers(handle, present, named);
    operation.step('claim delete');
    const record = await claimDelete(records, name, present, deadline);
    if (record === undefined) return;
    operation.step('remove snapshots');
    for (const one of [record, ...record.earlier]) await removeMembers(parts, name, one, secrets, deadline);
    operation.step('forget name');
    await records.forget(name, record, deadline);
  });
}

/** Undefined where the record is another attempt's by now, which clears away this one. BERTH_RECORD_CONTENDED. */
async function claimDelete(
  records: GroupRecords,
  name: string,
  present: ReadGroup,
  deadline: Deadline,
): Promise<ReadGroup | undefined> {
  let seen: ReadGroup | undefined = present;
  for (let round = 0; round < ATTEMPTS; round += 1) {
    if (seen?.attempt !== present.attempt) return undefined;
    if (seen.state === 'deleting') return seen;
    const record = await records.change(name, seen, { ...seen, state: 'deleting' }, deadline);
    if (record !== undefined) return record;
    seen = await records.read(name, deadline);
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume: name, times: ATTEMPTS });
}
