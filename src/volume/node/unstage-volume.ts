/** NodeUnstage: unmount, unmap, forget, from the journal and the kernel alone; what is not staged here is a success. */
import { setTimeout as sleep } from 'node:timers/promises';
import { deviceNumber } from '../../host/device/block-device.js';
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import { podOfPath } from '../../host/users/pod-of-process.js';
import { mountAt, readMounts } from '../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../journal/entry.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import { isDeadMount, unmountDead } from './filesystem/dead-mount.js';
import { entryToUndo, writeIfPossible } from './journal-faults.js';
import { sweepRecords } from '../../sandbox/kata/direct-volume.js';
import { type NodeRoom } from './node-room.js';
import { type NodeOperation } from '../operation/operations.js';
import type { Operation } from '../operation/operations.js';
import { isMountedFrom, unmountStaged } from './filesystem/staging-mount.js';

/** How long an unmap is tried again while the device is busy, and the pause between, in ms. */
const GUEST_END_MS = 10_000;
const GUEST_PAUSE_MS = 500;

export interface UnstageVolume {
  readonly volume: string;
  readonly stagingPath: string;
}

/** BERTH_VOLUME_IN_USE while a target is still published, BERTH_UNMAP_BUSY while something else has the device open. */
export async function unstageVolume(room: NodeRoom, request: UnstageVolume, deadline: Deadline): Promise<void> {
  const { volume } = request;
  checkAbsolute('staging_target_path', request.stagingPath);
  const stagingPath = await resolveTarget('staging_target_path', request.stagingPath);
  await room.operations.run(volume, { op: 'unstage', fingerprint: stagingPath }, deadline, (operation, deadline) =>
    unstageWithin(room, { volume, stagingPath }, operation, deadline),
  );
}

/** Unstage within an operation of the volume that runs already. */
export async function unstageWithin(
  room: NodeRoom,
  { volume, stagingPath: path }: UnstageVolume,
  operation: NodeOperation<'unstage'>,
  deadline: Deadline,
): Promise<void> {
  operation.step('read journal');
  const entry = await entryToUndo(room, volume);
  if (entry === undefined) {
    await unstageUnrecorded(room, volume, path, operation, deadline);
    // The journal may have been lost, and the record still say that it is staged here.
    operation.step('give holder record back');
    await room.holderRecords.giveBack(volume);
    return;
  }
  if (entry === 'damaged') return unstageDamaged(room, volume, path, operation, deadline);
  if (entry.stagingPath !== path) throw berthError('BERTH_VOLUME_NOT_AT_PATH', { volume, path });
  await takeDownRecorded(room, entry, operation, deadline);
  // Kept as `unstaging` where the record stays ours: reconciliation gives it back when the cluster answers again.
  if (entry.holdsRecord) {
    operation.step('give holder record back');
    if (!(await room.holderRecords.giveBack(volume))) return;
  }
  operation.step('remove journal');
  await writeIfPossible(room, volume, () => room.journal.remove(volume));
}

type TakeDown = Operation<'write unstaging' | 'unmount' | 'unmap'>;

/**
 * Unmount and unmap what the journal knows, by the kernel alone; the entry stays, as `unstaging`. BERTH_VOLUME_IN_USE,
 * BERTH_UNMAP_BUSY.
 */
export async function takeDownRecorded(
  room: NodeRoom,
  entry: JournalEntry,
  operation: TakeDown,
  deadline: Deadline,
): Promise<void> {
  await refusePublished(room, entry, deadline);
  operation.step('write unstaging');
  // What is to be undone is in the journal already: without this line a crash leads to the same undoing, or to a stage
  // that goes on from what is left.
  await writeIfPossible(room, entry.volume, () => room.journal.write({ ...entry, state: 'unstaging' }));
  await takeDown(room, entry, operation, deadline);
}

async function takeDown(room: NodeRoom, entry: JournalEntry, operation: TakeDown, deadline: Deadline): Promise<void> {
  const mapping = await room.mappers.mappingOf(entry, deadline);
  operation.step('unmount');
  if (mapping === undefined) {
    await unmountDead(room, entry, entry.stagingPath, deadline);
    return;
  }
  if (entry.access === 'mount') await unmountStaged(room, entry.stagingPath, mapping.device, deadline);
  operation.step('unmap', mapping.device);
  if (entry.guest === undefined) await room.mappers.named(entry.mapper).unmap(mapping, deadline);
  else await unmapAfterGuest(room, entry.volume, mapping, deadline);
}

/**
 * A virtual machine ends after its pod is gone for the orchestrator: its monitor is waited for, and named where it
 * stays. BERTH_UNMAP_BUSY.
 */
async function unmapAfterGuest(room: NodeRoom, volume: string, mapping: Mapping, deadline: Deadline): Promise<void> {
  await sweepRecords(room.kataRecords, volume);
  const patience = deadline.within(GUEST_END_MS);
  for (;;) {
    try {
      await room.mappers.named(mapping.mapper).unmap(mapping, deadline);
      return;
    } catch (error) {
      if (!isBerthError(error, 'BERTH_UNMAP_BUSY') || patience.expired) throw error;
      await sleep(GUEST_PAUSE_MS);
    }
  }
}

/**
 * A target that the journal knows and the kernel still has: the orchestrator has to unpublish it first (CSI 1.12,
 * NodeUnstageVolume).
 */
async function refusePublished(room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<void> {
  const isDead = (await room.mappers.mappingOf(entry, deadline)) === undefined;
  for (const target of Object.keys(entry.targets)) {
    if (isDead ? !(await isDeadMount(entry, target)) : (await mountAt(target)) === undefined) continue;
    const pod = podOfPath(target);
    const who = pod === undefined ? `the pod at ${target}` : `pod ${pod} (at ${target})`;
    throw berthError('BERTH_VOLUME_IN_USE', { volume: entry.volume, who });
  }
}

/**
 * As if nothing were recorded; the entry is kept aside only when the node is clean, so that a failure finds it again.
 */
async function unstageDamaged(
  room: NodeRoom,
  volume: string,
  path: string,
  operation: NodeOperation<'unstage'>,
  deadline: Deadline,
): Promise<void> {
  await unstageUnrecorded(room, volume, path, operation, deadline);
  operation.step('give holder record back');
  await room.holderRecords.giveBack(volume);
  operation.step('set journal aside');
  await writeIfPossible(room, volume, () => room.journal.setAside(volume));
}

/** The journal knows nothing, the kernel may: a lost state directory must not leave a mapping for ever. */
async function unstageUnrecorded(
  room: NodeRoom,
  volume: string,
  path: string,
  operation: NodeOperation<'unstage'>,
  deadline: Deadline,
): Promise<void> {
  const mapping = await room.mappers.findUnrecorded(volume, deadline);
  if (mapping === undefined) return;
  if (!(await isMountedFrom(path, mapping.device)) && (await mountAt(path)) !== undefined) {
    throw berthError('BERTH_TARGET_OCCUPIED', { path, what: 'a mount of something else' });
  }
  await refuseOtherMounts(volume, mapping.device, path);
  room.log.warn({ volume, device: mapping.device }, 'unstaging a mapping that the journal does not know');
  operation.step('unmount unrecorded');
  await unmountStaged(room, path, mapping.device, deadline);
  operation.step('unmap unrecorded', mapping.device);
  await room.mappers.named(mapping.mapper).unmap(mapping, deadline);
}

/** Without an entry nobody knows the targets: any other mount of the filesystem is taken for a pod's. */
async function refuseOtherMounts(volume: string, device: string, path: string): Promise<void> {
  const number = await deviceNumber(device);
  const other = (await readMounts()).find((mount) => mount.device === number && mount.target !== path);
  if (other !== undefined) throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `the mount at ${other.target}` });
}
