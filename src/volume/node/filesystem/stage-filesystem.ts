/**
 * A staged filesystem: formatted by provenance, checked, grown,
 * and mounted at the staging path unless it is left to a guest.
 */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { isSmallerThanDevice } from '../../../host/filesystem/resize-filesystem.js';
import type { JournalGuest } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { Mappers } from '../node-mappers.js';
import { refuseStillStopped, whyStoppedAt } from './mend-filesystem.js';
import { growAtStage } from './grow-filesystem.js';
import { inspectDevice, type DeviceInspection, type InspectionParts, type Preparation } from './inspect-device.js';
import { prepareFilesystem, type PreparationParts } from './prepare-filesystem.js';
import { refuseOpenDevice } from './refuse-open-device.js';
import { isMountedFrom, mountStaged, unmountStaged } from './staging-mount.js';

/** A mapped device, and how it is to be staged: decided before, from what journal, image and request say. */
export interface FilesystemStaging {
  readonly preparation: Preparation;
  /** What the device holds, where that is known already. */
  readonly inspection: DeviceInspection | undefined;
  readonly stagingPath: string;
  readonly flags: readonly string[];
  /** Undefined where no virtual machine bears on the volume. */
  readonly guest: JournalGuest | undefined;
}

export interface FilesystemStagingParts extends PreparationParts {
  readonly rbd: PreparationParts['rbd'] & InspectionParts['rbd'];
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
}

/** Errors of format, growth and mount. BERTH_VOLUME_IN_USE where an earlier virtual machine still has the device. */
export async function mountDevice(
  parts: FilesystemStagingParts,
  staging: FilesystemStaging,
  mapping: Mapping,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { preparation, stagingPath, flags, guest } = staging;
  const { found, device, type, readOnly, forGuest = false, wasSick = false } = preparation;
  const staged = { volume: found.volume, stagingPath, readOnly };
  const present = await takeMountAway(parts, staging, mapping, operation, deadline);
  if (present === 'mounted as asked') return;
  // The mapping may be an old one whose journal is gone, and a virtual machine still be at work on it.
  if (guest !== undefined) await refuseOpenDevice(parts, found.volume, mapping, deadline);
  operation.step('probe');
  const inspection = staging.inspection ?? (await inspectDevice(parts, preparation, deadline));
  const isNew = await prepareFilesystem(
    parts,
    { ...preparation, wasSick: wasSick || present === 'was sick' },
    inspection,
    operation,
    deadline,
  );
  const mayGrow = !readOnly && !isNew;
  if (mayGrow) await growAtStage(parts, { device, type, mountedAt: undefined }, operation, deadline);
  if (forGuest && !(mayGrow && (await mustMountToGrow(preparation, guest)))) return;
  operation.step('mount');
  await mountStaged(parts, { device, stagingPath, type, flags, readOnly }, deadline);
  await refuseStillStopped(parts, staged, deadline);
  if (mayGrow) await growAtStage(parts, { device, type, mountedAt: stagingPath }, operation, deadline);
  if (!forGuest) return;
  operation.step('unmount for guest');
  await unmountStaged(parts, stagingPath, device, deadline);
}

/** What an earlier try, or one whose journal is lost, left at the staging path; BERTH_VOLUME_IN_USE. */
async function takeMountAway(
  parts: FilesystemStagingParts,
  { preparation, stagingPath }: FilesystemStaging,
  mapping: Mapping,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<'mounted as asked' | 'not mounted' | 'was sick'> {
  const { found, device, readOnly, forGuest = false } = preparation;
  if (!(await isMountedFrom(stagingPath, device))) return 'not mounted';
  const isStopped = (await whyStoppedAt(parts, { stagingPath, readOnly }, deadline)) !== undefined;
  if (!forGuest && !isStopped) return 'mounted as asked';
  operation.step(forGuest ? 'unmount for guest' : 'unmount sick');
  await unmountStaged(parts, stagingPath, device, deadline);
  if (!isStopped) return 'not mounted';
  await refuseOpenDevice(parts, found.volume, mapping, deadline);
  return 'was sick';
}

/**
 * A guest's filesystem that grows only mounted (xfs) is mounted here for a moment to grow, where this node's kernel may
 * touch it at all.
 */
async function mustMountToGrow({ device, type }: Preparation, guest: JournalGuest | undefined): Promise<boolean> {
  if (guest === undefined || (guest.written && !guest.allowHostMount)) return false;
  return filesystems[type].growUnmounted === undefined && isSmallerThanDevice({ device, type });
}
