/**
 * NodeUnpublish: take a volume from one pod and remove the target; what is not there is a success, what is not ours is
 * not touched.
 */
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { isBoundAt, unbindAt } from '../../sandbox/bind-mount.js';
import { isDirectVolumeAt, removeRecords } from '../../sandbox/kata/direct-volume.js';
import { isDeadMount } from './filesystem/dead-mount.js';
import { entryToUndo, writeIfPossible } from './journal-faults.js';
import type { NodeOperation } from '../operation/operations.js';
import { type NodeRoom } from './node-room.js';
import { hostVolume } from './publish-on-host.js';

export interface UnpublishVolume {
  readonly volume: string;
  readonly targetPath: string;
}

export async function unpublishVolume(room: NodeRoom, request: UnpublishVolume, deadline: Deadline): Promise<void> {
  const { volume, targetPath } = request;
  checkAbsolute('target_path', targetPath);
  const path = await resolveTarget('target_path', targetPath);
  await room.operations.run(volume, { op: 'unpublish', fingerprint: path }, deadline, (operation, deadline) =>
    unpublishWithin(room, { volume, path, askedPath: targetPath }, operation, deadline),
  );
}

/** Unpublish within an operation of the volume that runs already. @param path resolved, and as it was asked for */
export async function unpublishWithin(
  room: NodeRoom,
  { volume, path, askedPath }: { readonly volume: string; readonly path: string; readonly askedPath: string },
  operation: NodeOperation<'unpublish'>,
  deadline: Deadline,
): Promise<void> {
  operation.step('look');
  const read = await entryToUndo(room, volume);
  const entry = read === 'damaged' ? undefined : read;
  // The staging mount is of this volume too, and every pod stands on it: only unstage takes it away.
  if (entry?.stagingPath === path)
    throw berthError('BERTH_FIELD_INVALID', { field: 'target_path', why: 'it is the staging path' });
  const target = entry?.targets[path];
  // First, so that no runtime begins with a volume that is about to go. A target that nobody wrote down may be a
  // guest's.
  if (target === undefined || target.sandbox === 'kata') {
    for (const asked of new Set([askedPath, target?.asked ?? path]))
      await removeRecords(room.kataRecords, volume, { resolved: path, asked }, operation.step);
  }
  const isOursNow = () => isOurs(room, volume, entry, path, deadline);
  await unbindAt(room.exec, path, isOursNow, operation.step, deadline);
  if (entry === undefined || !(path in entry.targets)) return;
  operation.step('write target');
  const targets = Object.fromEntries(Object.entries(entry.targets).filter(([target]) => target !== path));
  await writeIfPossible(room, volume, () => room.journal.write({ ...entry, targets }));
}

/** The mount at the target has to be this volume, by the journal's mapping or by the kernel's. */
async function isOurs(
  room: NodeRoom,
  volume: string,
  entry: JournalEntry | undefined,
  path: string,
  deadline: Deadline,
): Promise<boolean> {
  // The guard says itself whose it is, also when device and journal are gone.
  if (await isDirectVolumeAt(volume, path)) return true;
  const mapping =
    entry === undefined
      ? await room.mappers.findUnrecorded(volume, deadline)
      : await room.mappers.mappingOf(entry, deadline);
  if (mapping === undefined) return entry !== undefined && isDeadMount(entry, path);
  if (entry !== undefined) return isBoundAt(hostVolume(entry, mapping, false), path);
  for (const kind of ['mount', 'block'] as const) {
    if (await isBoundAt({ kind, source: '', device: mapping.device, readOnly: false }, path)) return true;
  }
  return false;
}
