/** Makes a filesystem as large as its device; one that already is stays untouched. */
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { deviceSizeBytes } from '../device/block-device.js';
import type { Exec } from '../process/exec.js';
import type { Superblock } from './filesystem.js';
import { filesystems } from './filesystems.js';
import { readSuperblock } from './superblock.js';
import { growError } from './tool-failures.js';

export interface Growth {
  readonly device: string;
  readonly type: FilesystemType;
  /** Where it is mounted, writable; undefined where it is not mounted. */
  readonly mountedAt: string | undefined;
  /** For one that is not mounted: called before the first write, so that a growth that is cut short can be undone. */
  readonly guard?: () => Promise<void>;
}

/** Every filesystem leaves a tail that is too small for its units; volumes grow by whole MiB. */
const SLACK_BYTES = 1024n * 1024n;

/**
 * Is there room on its device that the filesystem does not have? `known` is a superblock that it had a moment ago; none
 * becomes smaller. BERTH_PROBE_FAILED, BERTH_DEVICE_INVALID, DEADLINE.
 */
export async function isSmallerThanDevice(
  { device, type }: Pick<Growth, 'device' | 'type'>,
  known?: Superblock,
): Promise<boolean> {
  const deviceBytes = await deviceSizeBytes(device);
  const { sizeBytes } = known ?? (await readSuperblock(device, filesystems[type]));
  return deviceBytes - sizeBytes >= SLACK_BYTES;
}

/**
 * Grow it to its device. BERTH_FILESYSTEM_GROW_FAILED, always for one that is not mounted and grows only while it is;
 * BERTH_GROWTH_IMPOSSIBLE where it can never become as large as its device, before anything is tried;
 * BERTH_FILESYSTEM_DAMAGED, BERTH_PROBE_FAILED, BERTH_COMMAND_MISSING, DEADLINE.
 */
export async function growFilesystem(exec: Exec, growth: Growth, deadline: Deadline): Promise<void> {
  const { device, type, mountedAt, guard } = growth;
  const { growMounted, growUnmounted } = filesystems[type];
  if (mountedAt !== undefined) return growMounted(exec, device, mountedAt, deadline);
  if (growUnmounted === undefined || guard === undefined)
    throw growError(type, device, `${type} grows only while it is mounted`);
  await growUnmounted(exec, { device, guard }, deadline);
}
