/**
 * A pod of the host takes the volume as a bind mount; a filesystem that was left to guests is mounted first, where that
 * is allowed.
 */
import { isDeviceReadOnly, setDeviceReadOnly } from '../../host/device/block-device.js';
import { repairBeforeMount } from '../../host/filesystem/check-filesystem.js';
import { ownByGroup } from '../../host/filesystem/own-by-group.js';
import { filesystemOfEntry, isMountedHere, type JournalEntry, type JournalTarget } from '../../journal/entry.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import { isBoundAt, bindAt, unbindAt, type HostVolume } from '../../sandbox/bind-mount.js';
import { refuseOpenDevice } from './filesystem/refuse-open-device.js';
import { writeIfPossible } from './journal-faults.js';
import { type NodeRoom } from './node-room.js';
import { UNDO_MS } from '../operation/undo-stack.js';
import { type NodeOperation } from '../operation/operations.js';
import type { Publishing } from './publishing.js';
import { flagsDigest } from './stage-volume.js';
import { isMountedFrom, mountStaged } from './filesystem/staging-mount.js';

export async function publishOnHost(
  room: NodeRoom,
  publishing: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  const { mapping, live, targetPath, capability, readOnly } = publishing;
  const { volume } = publishing.entry;
  const entry = await mountedHere(room, publishing, operation, deadline);
  await own(room, publishing, operation, deadline);
  const shown = hostVolume(entry, mapping, readOnly);
  if (targetPath in live) return bindAt(room.exec, shown, targetPath, operation.step, deadline);
  operation.step('write target');
  const target: JournalTarget = { readOnly, mode: capability.mode, flagsDigest: flagsDigest(capability) };
  const next = { ...entry, targets: { ...live, [targetPath]: target } };
  await room.journal.write(next);
  try {
    await bindAt(room.exec, shown, targetPath, operation.step, deadline);
  } catch (error) {
    // Refused before anything was made: what lies there is somebody else's, and stays even where it is empty.
    if (isBerthError(error, 'BERTH_TARGET_OCCUPIED', 'BERTH_FIELD_INVALID'))
      await writeIfPossible(room, volume, () => room.journal.write({ ...entry, targets: live }));
    else await undo(room, { ...entry, targets: live }, shown, targetPath, operation);
    throw error;
  }
}

export const hostVolume = (entry: JournalEntry, mapping: Mapping, readOnly: boolean): HostVolume => ({
  kind: entry.access,
  source: entry.access === 'mount' ? entry.stagingPath : mapping.device,
  device: mapping.device,
  readOnly,
});

/**
 * The entry, with its filesystem mounted at the staging path. BERTH_HOST_MOUNT_REFUSED where a guest wrote it: a
 * filesystem is input to the kernel that mounts it, and that guest may be hostile.
 */
async function mountedHere(
  room: NodeRoom,
  { entry, mapping, capability }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const { volume, stagingPath, guest, readOnly } = entry;
  if (guest === undefined || isMountedHere(entry) || capability.access.kind === 'block') return entry;
  if (guest.written && !guest.allowHostMount) throw berthError('BERTH_HOST_MOUNT_REFUSED', { volume });
  const { device } = mapping;
  const type = filesystemOfEntry(entry);
  // A crash between mount and journal leaves it mounted already.
  if (!(await isMountedFrom(stagingPath, device))) {
    await refuseOpenDevice(room, volume, mapping, deadline);
    if ((await isDeviceReadOnly(device)) !== readOnly) {
      operation.step('switch device');
      await setDeviceReadOnly(room.exec, device, readOnly, deadline);
    }
    operation.step('mount on host');
    if (!readOnly) await repairBeforeMount(room.exec, device, type, deadline);
    const flags = capability.access.mountFlags;
    await mountStaged(room, { device, stagingPath, type, flags, readOnly }, deadline);
  }
  return { ...entry, guest: { ...guest, mounted: true } };
}

/**
 * kubelet leaves it to a driver that declares VOLUME_MOUNT_GROUP. Not under the feet of pods that are there already.
 */
async function own(
  room: NodeRoom,
  { entry, live, capability: { access }, readOnly }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  if (access.kind === 'block' || access.group === '' || readOnly || entry.readOnly) return;
  if (Object.keys(live).length > 0) return;
  operation.step('own by group');
  await ownByGroup(room.exec, entry.stagingPath, access.group, deadline);
}

async function undo(
  room: NodeRoom,
  entry: JournalEntry,
  shown: HostVolume,
  targetPath: string,
  operation: NodeOperation<'publish'>,
): Promise<void> {
  operation.step('undo target');
  const deadline = Deadline.after(UNDO_MS);
  try {
    await unbindAt(
      room.exec,
      targetPath,
      () => isBoundAt(shown, targetPath),
      () => undefined,
      deadline,
    );
  } catch (error) {
    // Something that is not ours is at the target: it stays, and only our intent is taken back.
    room.log.warn(
      { volume: entry.volume, target: targetPath, err: error },
      'the target of a failed publish was left as it is',
    );
  }
  operation.step('undo journal');
  if (!(await isBoundAt(shown, targetPath))) await writeIfPossible(room, entry.volume, () => room.journal.write(entry));
}
