/**
 * A staged filesystem: formatted by provenance, checked, grown,
 * and mounted at the staging path unless it is left to a guest.
 */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { isSmallerThanDevice } from '../../../host/filesystem/resize-filesystem.js';
import type { JournalGuest } from '../../../journal/entry.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import { isFilesystemType, type FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { leavesJournal } from '../../../model/mount/mount-flags.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { Mappers } from '../node-mappers.js';
import { refuseStillStopped, whyStoppedAt } from './mend-filesystem.js';
import { giveOwnUuid } from './give-own-uuid.js';
import { growAtStage } from './grow-filesystem.js';
import type { GuardedGrowthParts } from './guarded-growth.js';
import {
  inspectDevice,
  typeToMount,
  type DeviceInspection,
  type InspectionParts,
  type Preparation,
} from './inspect-device.js';
import { prepareFilesystem, type PreparationParts } from './prepare-filesystem.js';
import { refuseOpenDevice } from './refuse-open-device.js';
import { isMountedFrom, mountStaged, refuseReplay, unmountStaged } from './staging-mount.js';

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
  readonly rbd: PreparationParts['rbd'] & InspectionParts['rbd'] & GuardedGrowthParts['rbd'];
  readonly formerClients: GuardedGrowthParts['formerClients'];
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
}

/**
 * The filesystem that it has. Errors of format, growth and mount; BERTH_VOLUME_IN_USE where an earlier virtual machine
 * still has the device.
 */
export async function mountDevice(
  parts: FilesystemStagingParts,
  staging: FilesystemStaging,
  mapping: Mapping,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<FilesystemType> {
  const { stagingPath, flags, guest } = staging;
  const { found, device, readOnly, forGuest = false } = staging.preparation;
  const staged = { volume: found.volume, stagingPath, readOnly };
  const mounted = await mountedAsAsked(staging);
  const present = await takeMountAway(parts, staging, mapping, operation, deadline);
  if (present === 'mounted as asked' && mounted !== undefined)
    return finishMounted(parts, staging, mounted, operation, deadline);
  // The mapping may be an old one whose journal is gone, and a virtual machine still be at work on it.
  if (guest !== undefined) await refuseOpenDevice(parts, found.volume, mapping, deadline);
  const { preparation, isNew, provenance, superblock } = await prepare(
    parts,
    staging,
    present === 'was sick',
    operation,
    deadline,
  );
  const { type } = preparation;
  if (forGuest && readOnly && !leavesJournal(flags)) await refuseReplay(device, type, deadline);
  const mayGrow = !readOnly && !isNew;
  if (!isNew) await giveOwnUuid(parts, preparation, provenance, stagingPath, operation, deadline);
  const growth = { found, device, type, forGuest, superblock };
  if (mayGrow) await growAtStage(parts, { ...growth, mountedAt: undefined }, operation, deadline);
  if (forGuest && !(mayGrow && (await mustMountToGrow(preparation, guest)))) return type;
  operation.step('mount');
  await mountStaged(parts, { device, stagingPath, type, flags, readOnly }, deadline);
  await refuseStillStopped(parts, staged, deadline);
  if (mayGrow) await growAtStage(parts, { ...growth, mountedAt: stagingPath }, operation, deadline);
  if (!forGuest) return type;
  operation.step('unmount for guest');
  await unmountStaged(parts, stagingPath, device, deadline);
  return type;
}

/** An earlier try mounted it, and may have ended before it grew. */
async function finishMounted(
  parts: FilesystemStagingParts,
  { preparation, stagingPath }: FilesystemStaging,
  type: FilesystemType,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<FilesystemType> {
  const { found, device, readOnly, forGuest = false } = preparation;
  const mounted = { found, device, type, forGuest, mountedAt: stagingPath };
  if (!readOnly) await growAtStage(parts, mounted, operation, deadline);
  return type;
}

interface Prepared extends Pick<DeviceInspection, 'provenance' | 'superblock'> {
  readonly preparation: Preparation;
  readonly isNew: boolean;
}

/** The device with a filesystem on it, of the type that it has from now on. */
async function prepare(
  parts: FilesystemStagingParts,
  { preparation, inspection }: FilesystemStaging,
  isSick: boolean,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<Prepared> {
  operation.step('probe');
  const inspected = inspection ?? (await inspectDevice(parts, preparation, deadline));
  const wasSick = isSick || preparation.wasSick === true;
  const known = { ...preparation, type: typeToMount(preparation, inspected), wasSick };
  const isNew = await prepareFilesystem(parts, known, inspected, operation, deadline);
  return { preparation: known, isNew, provenance: inspected.provenance, superblock: inspected.superblock };
}

/** What is mounted from the device already; BERTH_FILESYSTEM_MISMATCH where another filesystem is asked for. */
async function mountedAsAsked({ preparation, stagingPath }: FilesystemStaging): Promise<FilesystemType | undefined> {
  const { found, device, type, isTypeAsked } = preparation;
  const have = (await isMountedFrom(stagingPath, device)) ? (await mountAt(stagingPath))?.fsType : undefined;
  if (!isFilesystemType(have)) return undefined;
  if (isTypeAsked && have !== type)
    throw berthError('BERTH_FILESYSTEM_MISMATCH', { volume: found.volume, have, want: type });
  return have;
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
