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
import type { FoundVolume } from '../../image/find-volume.js';
import { words } from '../../image/parameters.js';
import type { VolumeRecord } from '../../image/volume-record.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { Mappers } from '../node-mappers.js';
import { growIfSmaller } from './grow-filesystem.js';
import { inspectDevice, type DeviceInspection, type InspectionParts, type Preparation } from './inspect-device.js';
import { prepareFilesystem, type PreparationParts } from './prepare-filesystem.js';
import { refuseOpenDevice } from './refuse-open-device.js';
import { isMountedFrom, mountStaged, unmountStaged } from './staging-mount.js';

export interface FilesystemStaging {
  readonly request: { readonly readOnly: boolean; readonly stagingPath: string; readonly capability: Capability };
  readonly found: FoundVolume;
  readonly record: VolumeRecord | undefined;
  readonly entry: JournalEntry;
  /** What the device holds, where that is known already. */
  readonly inspection?: DeviceInspection | undefined;
}

export interface FilesystemStagingParts extends PreparationParts {
  readonly rbd: PreparationParts['rbd'] & InspectionParts['rbd'];
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
}

export function preparationOf({ request, found, record, entry }: FilesystemStaging, device: string): Preparation {
  const mkfsOptions = words(record?.shape.mkfsOptions ?? '');
  const { readOnly } = request;
  return { found, device, type: filesystemOfEntry(entry), readOnly, mkfsOptions, forGuest: !isMountedHere(entry) };
}

/** Errors of format, growth and mount. BERTH_VOLUME_IN_USE where a virtual machine of before still has the device. */
export async function mountDevice(
  parts: FilesystemStagingParts,
  staging: FilesystemStaging,
  mapping: Mapping,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { request, entry } = staging;
  const { readOnly, stagingPath } = request;
  const { device } = mapping;
  const forGuest = !isMountedHere(entry);
  if (await isMountedFrom(stagingPath, device)) {
    if (!forGuest) return;
    operation.step('unmount for guest');
    await unmountStaged(parts, stagingPath, device, deadline);
  }
  // The mapping may be an old one of a lost journal, and a virtual machine still be at work on it.
  if (entry.guest !== undefined) await refuseOpenDevice(parts, entry.volume, mapping, deadline);
  operation.step('probe');
  const preparation = preparationOf(staging, device);
  const inspection = staging.inspection ?? (await inspectDevice(parts, preparation, deadline));
  const isNew = await prepareFilesystem(parts, preparation, inspection, operation, deadline);
  const mayGrow = !readOnly && !isNew;
  const { type } = preparation;
  if (mayGrow) await growIfSmaller(parts, { device, type, mountedAt: undefined }, operation, deadline);
  if (forGuest && !(mayGrow && (await mustMountToGrow(entry, device)))) return;
  operation.step('mount');
  await mountStaged(parts, { device, stagingPath, type, flags: mountFlagsOf(request.capability), readOnly }, deadline);
  if (mayGrow) await growIfSmaller(parts, { device, type, mountedAt: stagingPath }, operation, deadline);
  if (!forGuest) return;
  operation.step('unmount for guest');
  await unmountStaged(parts, stagingPath, device, deadline);
}

const mountFlagsOf = ({ access }: Capability): readonly string[] => (access.kind === 'mount' ? access.mountFlags : []);

/**
 * What only grows mounted (xfs), and is a guest's, grows while it is mounted here for a moment, where this node's
 * kernel may touch it at all.
 */
async function mustMountToGrow(entry: JournalEntry, device: string): Promise<boolean> {
  const { guest } = entry;
  if (guest === undefined || (guest.written && !guest.allowHostMount)) return false;
  const type = filesystemOfEntry(entry);
  return filesystems[type].growUnmounted === undefined && isSmallerThanDevice({ device, type });
}
