/**
 * A pod's virtual machine takes the volume: unmounted here, marked as written by a guest, guarded at the target, and
 * recorded for the runtime.
 */
import { filesystemOfEntry, isMountedHere, type JournalEntry, type JournalTarget } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import {
  addDirectVolume,
  isDirectVolumeAt,
  removeDirectVolume,
  type KataHost,
  type KataTarget,
} from '../../../sandbox/kata/direct-volume.js';
import type { DirectVolume } from '../../../sandbox/kata/kata-record.js';
import { guestOf } from './guest-mode.js';
import { markGuestWritten } from '../../image/guest-mark.js';
import { refuseOpenDevice } from '../filesystem/refuse-open-device.js';
import { writeIfPossible } from '../journal-faults.js';
import { type NodeRoom } from '../node-room.js';
import { UNDO_MS } from '../../operation/undo-stack.js';
import { type NodeOperation } from '../../operation/operations.js';
import type { Publishing } from '../publishing.js';
import { flagsDigest } from '../stage-volume.js';
import { isMountedFrom, unmountStaged } from '../filesystem/staging-mount.js';

/**
 * BERTH_KATA_RECORD_FAILED, BERTH_KATA_ONE_POD, BERTH_VOLUME_IN_USE, BERTH_TARGET_OCCUPIED; after an error nothing at
 * the target can be written to.
 */
export async function publishToGuest(
  room: NodeRoom,
  publishing: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  const { mapping, live, targetPath, askedPath, capability, readOnly } = publishing;
  const volume = directVolume(publishing);
  const place = { resolved: targetPath, asked: askedPath };
  const host = kataHost(room);
  if (targetPath in live) return addDirectVolume(host, volume, place, operation.step, deadline);
  const left = await leftToGuest(room, publishing, operation, deadline);
  await refuseOpenDevice(room, left.volume, mapping, deadline);
  const entry = await marked(room, left, publishing, operation, deadline);
  operation.step('write target');
  const target: JournalTarget = {
    ...{ readOnly, mode: capability.mode, flagsDigest: flagsDigest(capability), sandbox: 'kata' },
    ...(askedPath === targetPath ? {} : { asked: askedPath }),
  };
  await room.journal.write({ ...entry, targets: { ...live, [targetPath]: target } });
  try {
    await addDirectVolume(host, volume, place, operation.step, deadline);
  } catch (error) {
    await undo(room, { ...entry, targets: live }, place, error, operation);
    throw error;
  }
}

export const kataHost = (room: NodeRoom): KataHost => ({ exec: room.exec, records: room.kataRecords });

function directVolume({ entry, mapping, capability: { access }, readOnly }: Publishing): DirectVolume {
  const { flags, group } =
    access.kind === 'mount' ? { flags: access.mountFlags, group: access.group } : { flags: [], group: '' };
  const fsType = filesystemOfEntry(entry);
  return { volume: entry.volume, device: mapping.device, fsType, readOnly, flags, group };
}

/**
 * The host's kernel lets go of it first. The journal says so before: what it calls unmounted is always unmounted again.
 */
async function leftToGuest(
  room: NodeRoom,
  { entry, mapping }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const left = { ...entry, guest: { ...guestOf(entry), mounted: false } };
  if (isMountedHere(entry)) {
    operation.step('write unmounted');
    await room.journal.write(left);
  }
  if (await isMountedFrom(entry.stagingPath, mapping.device)) {
    operation.step('unmount for guest');
    await unmountStaged(room, entry.stagingPath, mapping.device, deadline);
  }
  return left;
}

async function marked(
  room: NodeRoom,
  entry: JournalEntry,
  { readOnly, secrets }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const guest = guestOf(entry);
  if (readOnly || guest.written) return entry;
  operation.step('mark as written by guest');
  await markGuestWritten(room, { volume: entry.volume, secrets, sandbox: 'kata' }, deadline);
  return { ...entry, guest: { ...guest, written: true } };
}

async function undo(
  room: NodeRoom,
  entry: JournalEntry,
  place: KataTarget,
  cause: unknown,
  operation: NodeOperation<'publish'>,
): Promise<void> {
  const { volume } = entry;
  operation.step('undo target');
  try {
    // Refused before anything was made: what lies at the target is somebody else's, and stays even where it is empty.
    if (!isBerthError(cause, 'BERTH_TARGET_OCCUPIED', 'BERTH_FIELD_INVALID', 'BERTH_KATA_ONE_POD'))
      await removeDirectVolume(kataHost(room), volume, place, () => undefined, Deadline.after(UNDO_MS));
  } catch (error) {
    room.log.warn({ volume, target: place.resolved, err: error }, 'the target of a failed publish was left as it is');
  }
  operation.step('undo journal');
  if (!(await isDirectVolumeAt(volume, place.resolved)))
    await writeIfPossible(room, volume, () => room.journal.write(entry));
}
