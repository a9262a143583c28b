/**
 * A staged filesystem: formatted by provenance, checked, grown, and mounted at the staging path unless it is left to a
 * guest.
 */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { isSmallerThanDevice } from '../../../host/filesystem/resize-filesystem.js';
import { filesystemOfEntry, isMountedHere, type JournalEntry } from '../../../journal/entry.js';
import type { Capability } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { inspectDevice, prepareFilesystem, type DeviceInspection, type Preparation } from './prepare-filesystem.js';
import { growIfSmaller } from './grow-filesystem.js';
import { refuseOpenDevice } from './refuse-open-device.js';
import type { NodeRoom } from '../node-room.js';
import type { NodeOperation } from '../../operation/operations.js';
import { words } from '../../image/parameters.js';
import type { VolumeRecord } from '../../image/volume-record.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { isMountedFrom, mountStaged, unmountStaged } from './staging-mount.js';

export interface FilesystemStaging {
  readonly request: { readonly readOnly: boolean; readonly stagingPath: string; readonly capability: Capability };
  readonly found: FoundVolume;
  readonly record: VolumeRecord | undefined;
  readonly entry: JournalEntry;
  /** Where it was looked at already. */
  readonly look?: DeviceInspection | undefined;
}

export function preparationOf({ request, found, record, entry }: FilesystemStaging, device: string): Preparation {
  const mkfsOptions = words(record?.shape.mkfsOptions ?? '');
  const { readOnly } = request;
  return { found, device, type: filesystemOfEntry(entry), readOnly, mkfsOptions, forGuest: !isMountedHere(entry) };
}

/** Errors of format, growth and mount. BERTH_VOLUME_IN_USE where a virtual machine of before still has the device. */
export async function mountDevice(
  room: NodeRoom,
  staging: FilesystemStaging,
  mapping: Mapping,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { request, entry, look } = staging;
  const { device } = mapping;
  const type = filesystemOfEntry(entry);
  const { readOnly, stagingPath, capability } = request;
  const forGuest = !isMountedHere(entry);
  const isMounted = await isMountedFrom(stagingPath, device);
  if (!forGuest && isMounted) return;
  if (isMounted) {
    operation.step('unmount for guest');
    await unmountStaged(room, stagingPath, device, deadline);
  }
  // The mapping may be an old one of a lost journal, and a virtual machine still be at work on it.
  if (entry.guest !== undefined) await refuseOpenDevice(room, entry.volume, mapping, deadline);
  operation.step('probe');
  const preparation = preparationOf(staging, device);
  const looked = look ?? (await inspectDevice(room, preparation, deadline));
  const isNew = await prepareFilesystem(room, preparation, looked, operation, deadline);
  const mayGrow = !readOnly && !isNew;
  if (mayGrow) await growIfSmaller(room, { device, type, mountedAt: undefined }, operation, deadline);
  if (forGuest && !(await mustMountToGrow(entry, device, mayGrow))) return;
  operation.step('mount');
  const flags = capability.access.kind === 'mount' ? capability.access.mountFlags : [];
  await mountStaged(room, { device, stagingPath, type, flags, readOnly }, deadline);
  if (mayGrow) await growIfSmaller(room, { device, type, mountedAt: stagingPath }, operation, deadline);
  if (!forGuest) return;
  operation.step('unmount for guest');
  await unmountStaged(room, stagingPath, device, deadline);
}

/**
 * What only grows mounted (xfs), and is a guest's, grows while it is mounted here for a moment, where this node's
 * kernel may touch it at all.
 */
async function mustMountToGrow(entry: JournalEntry, device: string, mayGrow: boolean): Promise<boolean> {
  const { guest } = entry;
  if (!mayGrow || guest === undefined || (guest.written && !guest.allowHostMount)) return false;
  const type = filesystemOfEntry(entry);
  return filesystems[type].growUnmounted === undefined && isSmallerThanDevice({ device, type });
}
