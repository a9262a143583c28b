/**
 * NodeUnstage: unmount, unmap, forget, from the journal and the kernel alone; it reaches Ceph only to give the holder
 * record back, and does without where Ceph does not answer. What is not staged here is a success.
 */
import { deviceNumber } from '../../host/device/block-device.js';
import { mountAt, readMounts } from '../../host/mount/mountinfo.js';
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { NodeOperation, Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import { isMountedFrom, unmountStaged } from './filesystem/staging-mount.js';
import { entryToUndo, writeIfPossible } from './journal-faults.js';
import type { LookAhead, NodeHolderRecords } from './node-holder-records.js';
import type { Mappers } from './node-mappers.js';
import { takeDownRecorded, type TakeDownParts } from './take-down-volume.js';

export interface UnstageParts extends TakeDownParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'read' | 'note' | 'forget' | 'setAside'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named' | 'findUnrecorded'>;
  /** The only part that reaches Ceph. */
  readonly holderRecords: Pick<NodeHolderRecords, 'giveBack' | 'lookAhead'>;
}

export interface UnstageVolume {
  readonly volume: string;
  readonly stagingPath: string;
}

/**
 * BERTH_VOLUME_NOT_AT_PATH where the volume is mounted at that path and staged elsewhere, BERTH_VOLUME_IN_USE while a
 * target is still published, BERTH_UNMAP_BUSY while something else has the device open.
 */
export async function unstageVolume(parts: UnstageParts, request: UnstageVolume, deadline: Deadline): Promise<void> {
  const { volume } = request;
  checkAbsolute('staging_target_path', request.stagingPath);
  const stagingPath = await resolveTarget('staging_target_path', request.stagingPath);
  await parts.operations.run(volume, { op: 'unstage', fingerprint: stagingPath }, deadline, (operation, deadline) =>
    unstageWithin(parts, { volume, stagingPath }, operation, deadline),
  );
}

/** Unstage within an operation of the volume that runs already. */
export async function unstageWithin(
  parts: Omit<UnstageParts, 'operations'>,
  { volume, stagingPath: path }: UnstageVolume,
  operation: NodeOperation<'unstage'>,
  deadline: Deadline,
): Promise<void> {
  const { journal, holderRecords } = parts;
  operation.step('read journal');
  const entry = await entryToUndo(parts, volume);
  if (entry === undefined || entry === 'damaged') {
    await unstageUnrecorded(parts, volume, path, operation, deadline);
    // The journal was lost, and the record may still say that the volume is staged here.
    await giveBack(parts, { volume }, operation);
    if (entry === undefined) return;
    // Only when the node is clean, so that a failure before finds it again.
    operation.step('set journal aside');
    return writeIfPossible(parts, volume, () => journal.setAside(volume));
  }
  if (entry.stagingPath !== path) return refuseMountedAt(parts, entry, path, deadline);
  // Read while the volume leaves: whoever wrote to it since is met when it is written.
  const look = entry.holdsRecord ? holderRecords.lookAhead(entry) : undefined;
  await takeDownRecorded(parts, entry, operation, deadline);
  // Kept as `unstaging` where the record stays ours: reconciliation gives it back when the cluster answers again.
  if (entry.holdsRecord && !(await giveBack(parts, entry, operation, look))) return;
  operation.step('remove journal');
  await writeIfPossible(parts, volume, () => journal.forget(volume));
}

/** Where nothing of the volume is, nothing is to be undone: it is staged elsewhere, and stays so. */
async function refuseMountedAt(
  { mappers }: Pick<UnstageParts, 'mappers'>,
  entry: JournalEntry,
  path: string,
  deadline: Deadline,
): Promise<void> {
  const mapping = await mappers.mappingOf(entry, deadline);
  const isThere = mapping !== undefined && (await isMountedFrom(path, mapping.device));
  if (isThere || path in entry.targets) throw berthError('BERTH_VOLUME_NOT_AT_PATH', { volume: entry.volume, path });
}

function giveBack(
  { holderRecords }: Pick<UnstageParts, 'holderRecords'>,
  entry: Pick<JournalEntry, 'volume' | 'imageId'>,
  operation: NodeOperation<'unstage'>,
  look?: LookAhead,
): Promise<boolean> {
  operation.step('give holder record back');
  return holderRecords.giveBack(entry, { look });
}

/** The journal knows nothing, the kernel may: a lost state directory must not leave a mapping for ever. */
async function unstageUnrecorded(
  { mappers, exec, log }: Pick<UnstageParts, 'mappers' | 'exec' | 'log'>,
  volume: string,
  path: string,
  operation: NodeOperation<'unstage'>,
  deadline: Deadline,
): Promise<void> {
  const mapping = await mappers.findUnrecorded(volume, deadline);
  if (mapping === undefined) return;
  if (!(await isMountedFrom(path, mapping.device)) && (await mountAt(path)) !== undefined) {
    throw berthError('BERTH_TARGET_OCCUPIED', { path, what: 'a mount of something else' });
  }
  await refuseOtherMounts(volume, mapping.device, path);
  log.warn({ volume, device: mapping.device }, 'unstaging a mapping that the journal does not know');
  operation.step('unmount unrecorded');
  await unmountStaged({ exec }, path, mapping.device, deadline);
  operation.step('unmap unrecorded', mapping.device);
  await mappers.named(mapping.mapper).unmap(mapping, deadline);
}

/** Without an entry nobody knows the targets: any other mount of the filesystem is taken for a pod's. */
async function refuseOtherMounts(volume: string, device: string, path: string): Promise<void> {
  const number = await deviceNumber(device);
  const other = (await readMounts()).find((mount) => mount.device === number && mount.target !== path);
  if (other !== undefined) throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `the mount at ${other.target}` });
}
