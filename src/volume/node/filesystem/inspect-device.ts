/** What a mapped device holds and what its image's record says of it: the facts for a mount or an mkfs. */
import type { Superblock } from '../../../host/filesystem/filesystem.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { isBlank, probeDevice, type DeviceContent } from '../../../host/filesystem/probe-device.js';
import { superblockOf } from '../../../host/filesystem/superblock.js';
import type { Exec } from '../../../host/process/exec.js';
import { isFilesystemType, type FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { parseProvenance, type Provenance } from '../../image/provenance.js';

/** A device, and the filesystem that it is to have. */
export interface Preparation {
  readonly found: FoundVolume;
  readonly device: string;
  readonly type: FilesystemType;
  /** Somebody asks for just this type; else what is on the device decides. */
  readonly isTypeAsked: boolean;
  readonly readOnly: boolean;
  readonly mkfsOptions: readonly string[];
  /** Check it whatever its superblock says: a guest mounts it, and no guest of Kata has a check of its own. */
  readonly forGuest?: boolean;
  /** Check it whatever its superblock says: the kernel gave it up, and may not have been able to write that down. */
  readonly wasSick?: boolean;
}

/**
 * The filesystem to mount: what is on the device, where nobody asks for another one. An mkfs that was begun is ended as
 * it was begun.
 */
export const typeToMount = (
  { type, isTypeAsked }: Pick<Preparation, 'type' | 'isTypeAsked'>,
  { provenance, content }: Pick<DeviceInspection, 'provenance' | 'content'>,
): FilesystemType => {
  const isTheirs = isTypeAsked || provenance.state === 'formatting' || content.kind !== 'filesystem';
  return !isTheirs && isFilesystemType(content.type) ? content.type : type;
};

/** What the record and the device say; nothing was written for it. */
export interface DeviceInspection {
  readonly provenance: Provenance;
  readonly content: DeviceContent;
  /** Not one byte was ever written to the image. */
  readonly isUntouched: boolean;
  /** Of the filesystem that the record names, where it was found; nothing has written to the device since. */
  readonly superblock?: Superblock | undefined;
}

export interface InspectionParts {
  readonly exec: Exec;
  readonly rbd: Pick<RbdPort, 'isEmpty'>;
}

/** BERTH_PROBE_FAILED where it cannot be told, BERTH_RECORD_UNREADABLE. */
export async function inspectDevice(
  parts: InspectionParts,
  preparation: Preparation,
  deadline: Deadline,
): Promise<DeviceInspection> {
  const { found, device, readOnly } = preparation;
  const provenance = parseProvenance(found.head, found.volume);
  const mayFormat = provenance.state === 'never' && !readOnly;
  if (mayFormat && (await isNew(parts, preparation, deadline))) {
    return { provenance, content: { kind: 'empty' }, isUntouched: true };
  }
  const superblock = await recordedSuperblock(device, provenance, deadline);
  if (provenance.state === 'formatted' && superblock !== undefined) {
    const { type, uuid } = provenance;
    return { provenance, content: { kind: 'filesystem', type, uuid }, isUntouched: false, superblock };
  }
  const content = await probeDevice(parts.exec, device, deadline);
  const isCopy = provenance.state === 'formatted' && provenance.copied === true && !readOnly;
  // A copy of what was formatted only later: as empty as a new image, if Ceph says so as well.
  const isUntouched = isCopy && content.kind === 'empty' && (await parts.rbd.isEmpty(found.at, deadline));
  return { provenance, content, isUntouched };
}

/**
 * Ceph says that not one byte was ever written, and the device
 * at the same time begins with zeroes alone: only both permit mkfs.
 */
async function isNew({ rbd, exec }: InspectionParts, { found, device }: Preparation, deadline: Deadline) {
  const [isUntouched, blank] = await Promise.all([rbd.isEmpty(found.at, deadline), isBlank(exec, device, deadline)]);
  return isUntouched && blank;
}

/** The filesystem that the record names is recognized by its uuid; anything else is probed thoroughly. */
async function recordedSuperblock(
  device: string,
  provenance: Provenance,
  deadline: Deadline,
): Promise<Superblock | undefined> {
  if (provenance.state !== 'formatted') return undefined;
  return superblockOf(device, filesystems[provenance.type], provenance.uuid, deadline);
}
