/**
 * DeleteSnapshot: its name is given up, then the snapshot goes. One that has clones goes to Ceph's trash, and ends with
 * the last of them. One that is gone already, or was never ours, is a success. One that a removal left in the trash,
 * cut short within librbd, is removed from there.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { formatGroupId, parseMemberName } from '../../../model/snapshot/group-id.js';
import { parseSnapshotId } from '../../../model/snapshot/snapshot-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import type { Credentials } from '../../image/find-volume.js';
import { deletedName } from '../../image/image-name.js';
import type { ControllerOperations } from '../controller-operations.js';
import type { Purges } from '../delete/purges.js';
import { GroupRecords } from '../group/group-record.js';
import { operationKey } from './create-snapshot.js';
import { deletedVolume, findToRemove, type FoundSnapshot, type SnapshotLookup } from './find-snapshot.js';
import { NameRecords, type NamesPort, type ReadRecord } from './name-record.js';

export interface DeleteSnapshotParts extends SnapshotLookup {
  readonly clusters: SnapshotLookup['clusters'] & Pick<Clusters, 'listed' | 'registry'>;
  readonly rbd: SnapshotLookup['rbd'] & NamesPort & Pick<RbdPort, 'removeSnapshotById'>;
  readonly purges: Pick<Purges, 'begin'>;
  readonly operations: ControllerOperations;
}

/**
 * BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS for a handle of a place that the clusters file does not list, most likely
 * by a mistake: OK would leave the snapshot behind. BERTH_GROUP_MEMBER for one that goes with its group.
 * BERTH_IMAGE_BUSY where somebody has protected it, BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE.
 */
export async function deleteSnapshot(
  parts: DeleteSnapshotParts,
  handle: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  const id = parseSnapshotId(handle);
  if (id === undefined) return;
  await parts.clusters.listed(id);
  // Only the snapshot itself says what it is called, and the name is what one operation at a time is about.
  const seen = await findToRemove(parts, handle, secrets, deadline);
  if (seen === undefined) return;
  const what = { op: 'deleteSnapshot', fingerprint: handle } as const;
  const key = operationKey(id, nameOf(seen));
  await parts.operations.run(key, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await findToRemove(parts, handle, secrets, deadline);
    if (found === undefined) return;
    const registry = await parts.clusters.registry(id.cluster, 'controller', deadline, secrets);
    await refuseMember(parts, found, registry, deadline);
    operation.step('forget name');
    const names = new NameRecords(parts.rbd, registry);
    // First, for by the handle alone nobody could find it once the snapshot is gone.
    const record = await forgetName(names, found, deadline);
    operation.step('remove snapshot');
    try {
      await parts.rbd.removeSnapshotById(found.at, id.imageId, id.snapshotId, deadline);
      purgeImage(parts, found);
    } catch (error) {
      if (isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) return;
      if (record === undefined || !isBerthError(error, ...REFUSALS)) throw error;
      operation.step('restore name');
      const restored = await names.change(nameOf(found), undefined, record, deadline);
      // Refused, perhaps, because another controller was at it: then it may be gone, and the name is nobody's.
      if (restored === undefined || (await findToRemove(parts, handle, secrets, deadline)) !== undefined) throw error;
      await names.forget(nameOf(found), restored, deadline);
      return;
    }
    // Whoever took the name before this call may have been refused meanwhile, and have given it back.
    if (record === undefined) await forgetName(names, found, deadline);
  });
}

/** BERTH_GROUP_MEMBER. One that an attempt at a group has left, and nobody remembers, goes as any other. */
async function refuseMember(
  { rbd }: DeleteSnapshotParts,
  found: FoundSnapshot,
  registry: PoolRef,
  deadline: Deadline,
): Promise<void> {
  const { id, handle } = found;
  const member = parseMemberName(nameOf(found));
  if (member === undefined) return;
  const record = await new GroupRecords(rbd, registry).read(member.name, deadline);
  if (record?.attempt !== member.attempt) return;
  const group = formatGroupId({ cluster: id.cluster, ...member });
  throw berthError('BERTH_GROUP_MEMBER', { snapshot: handle, group });
}

const nameOf = ({ snapshot: { name, nameBefore = name } }: Pick<FoundSnapshot, 'snapshot'>): string => nameBefore;

/** The image of a deleted volume waits for its last snapshot. */
function purgeImage({ purges }: Pick<DeleteSnapshotParts, 'purges'>, { at, id, head }: FoundSnapshot): void {
  if (deletedVolume(head, id.imageId) === undefined) return;
  purges.begin({ ...at, image: deletedName(id.imageId) }, id.imageId);
}

/** Ceph has answered that it stays. */
const REFUSALS = ['BERTH_IMAGE_BUSY', 'BERTH_IMAGE_LOCKED', 'BERTH_IMAGE_EXCLUSIVE', 'BERTH_CEPH_DENIED'] as const;

/** The record that was removed; undefined where the name is another snapshot's, or nobody's. */
async function forgetName(
  names: NameRecords,
  found: FoundSnapshot,
  deadline: Deadline,
): Promise<ReadRecord | undefined> {
  const { id } = found;
  const name = nameOf(found);
  const record = await names.read(name, deadline);
  const isIts = record?.imageId === id.imageId && record.snapshotId === String(id.snapshotId);
  return isIts && (await names.forget(name, record, deadline)) ? record : undefined;
}
