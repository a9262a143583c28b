/**
 * A pod's virtual machine takes the volume: unmounted here, marked as written by a guest, guarded at the target, and
 * recorded for the runtime.
 */
import { filesystemOfEntry, isMountedHere, type JournalEntry, type JournalTarget } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import type { KataRecords } from '../../../sandbox/kata/kata-records.js';
import type { Exec } from '../../../host/process/exec.js';
import { addDirectVolume, isDirectVolumeAt, removeDirectVolume } from '../../../sandbox/kata/direct-volume.js';
import type { DirectVolume } from '../../../sandbox/kata/kata-record.js';
import { guestOf } from './guest-mode.js';
import type { GuestMark } from '../../image/guest-mark.js';
import { refuseOpenDevice } from '../filesystem/refuse-open-device.js';
import { type NodeOperation } from '../../operation/operations.js';
import type { Mappers } from '../node-mappers.js';
import { addTarget, journalTarget, type Publishing, type TargetParts } from '../target/publish-target.js';
import { isMountedFrom, unmountStaged } from '../filesystem/staging-mount.js';

export interface PublishToGuestParts extends TargetParts {
  readonly exec: Exec;
  readonly kataRecords: KataRecords;
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
  /** The only part of a publish that reaches Ceph. */
  readonly markGuestWritten: (mark: GuestMark, deadline: Deadline) => Promise<void>;
}

/**
 * BERTH_KATA_RECORD_FAILED, BERTH_KATA_ONE_POD, BERTH_VOLUME_IN_USE, BERTH_TARGET_OCCUPIED; after an error nothing at
 * the target can be written to.
 */
export async function publishToGuest(
  parts: PublishToGuestParts,
  publishing: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  const { exec, kataRecords: records } = parts;
  const { mapping, live, targetPath, askedPath } = publishing;
  const { volume } = publishing.entry;
  const place = { resolved: targetPath, asked: askedPath };
  const make = () => addDirectVolume({ exec, records }, directVolume(publishing), place, operation.step, deadline);
  if (targetPath in live) return make();
  const left = await leftToGuest(parts, publishing, operation, deadline);
  await refuseOpenDevice(parts, volume, mapping, deadline);
  const entry = await marked(parts, left, publishing, operation, deadline);
  const asked = askedPath === targetPath ? {} : { asked: askedPath };
  const target: JournalTarget = { ...journalTarget(publishing), sandbox: 'kata', ...asked };
  const isThere = () => isDirectVolumeAt(volume, targetPath);
  const remove = (time: Deadline) => removeDirectVolume({ exec, records }, volume, place, () => undefined, time);
  await addTarget(parts, { ...publishing, entry }, target, { make, remove, isThere }, operation);
}

function directVolume({ entry, mapping, capability: { access }, readOnly }: Publishing): DirectVolume {
  const { flags, group } =
    access.kind === 'mount' ? { flags: access.mountFlags, group: access.group } : { flags: [], group: '' };
  const fsType = filesystemOfEntry(entry);
  return { volume: entry.volume, device: mapping.device, fsType, readOnly, flags, group };
}

/**
 * The host's kernel lets go of the filesystem first. The journal says so before: what it calls unmounted is unmounted
 * again after a crash.
 */
async function leftToGuest(
  { journal, exec }: PublishToGuestParts,
  { entry, mapping }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const left = { ...entry, guest: { ...guestOf(entry), mounted: false } };
  if (isMountedHere(entry)) {
    operation.step('write unmounted');
    await journal.write(left);
  }
  if (await isMountedFrom(entry.stagingPath, mapping.device)) {
    operation.step('unmount for guest');
    await unmountStaged({ exec }, entry.stagingPath, mapping.device, deadline);
  }
  return left;
}

async function marked(
  { markGuestWritten }: PublishToGuestParts,
  entry: JournalEntry,
  { readOnly, secrets }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const guest = guestOf(entry);
  if (readOnly || guest.written) return entry;
  operation.step('mark as written by guest');
  const { volume, imageId } = entry;
  await markGuestWritten({ volume, imageId, secrets, sandbox: 'kata' }, deadline);
  return { ...entry, guest: { ...guest, written: true } };
}
