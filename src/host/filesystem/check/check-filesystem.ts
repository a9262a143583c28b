/** Checks and repairs a filesystem before anybody mounts it, as far as its tools do that. */
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Exec } from '../../process/exec.js';
import type { Superblock } from '../filesystem.js';
import { filesystems } from '../filesystems.js';
import { readSuperblock } from '../superblock.js';

/** What was done, for the log. */
export type Repair = 'not needed' | 'repaired';

/**
 * Repair what the kernel has recorded errors in. `known` is what the device was just seen to say.
 * BERTH_FILESYSTEM_DAMAGED where the tool cannot repair it by itself; BERTH_PROBE_FAILED, BERTH_COMMAND_MISSING,
 * DEADLINE. The device must not be mounted.
 */
export async function repairBeforeMount(
  exec: Exec,
  device: string,
  type: FilesystemType,
  deadline: Deadline,
  known?: Superblock,
): Promise<Repair> {
  const filesystem = filesystems[type];
  if (filesystem.check === undefined) return 'not needed';
  const { errors } = known ?? (await readSuperblock(device, filesystem, deadline));
  if (!errors) return 'not needed';
  await filesystem.check(exec, device, deadline);
  return 'repaired';
}

/**
 * Check, and repair, whatever its superblock says: what this node's kernel is not to mount, or gave up. What has no
 * such tool is left to the kernel that mounts it. Errors as {@link repairBeforeMount}.
 */
export async function checkFilesystem(
  exec: Exec,
  device: string,
  type: FilesystemType,
  deadline: Deadline,
): Promise<void> {
  await filesystems[type].check?.(exec, device, deadline);
}
