/**
 * Repairs an ext4 before it is mounted, where the kernel had recorded errors; xfs replays its log at mount and has no
 * such flag.
 */
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { Exec } from '../process/exec.js';
import { readSuperblock } from './superblock.js';

/** e2fsck(8): bits 1 and 2 mean corrected, everything above means not. */
const CORRECTED = 3;
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);
const WHY_SHOWN = 300;

/** What was done, for the log. */
export type Repair = 'not needed' | 'repaired';

/**
 * BERTH_FILESYSTEM_DAMAGED where e2fsck cannot repair by itself; BERTH_PROBE_FAILED, BERTH_COMMAND_MISSING, DEADLINE.
 * The device must not be mounted.
 */
export async function repairBeforeMount(
  exec: Exec,
  device: string,
  type: FilesystemType,
  deadline: Deadline,
): Promise<Repair> {
  if (type !== 'ext4' || !(await readSuperblock(device, type, deadline)).errors) return 'not needed';
  await checkExt4(exec, device, [], deadline);
  return 'repaired';
}

/**
 * Check, and repair, what the host's kernel is not to mount: e2fsck replays the journal in user space and is quick on
 * what is clean. A guest replays an xfs log itself, and no tool does so without mounting. Errors as {@link
 * repairBeforeMount}.
 */
export async function checkForGuest(
  exec: Exec,
  device: string,
  type: FilesystemType,
  deadline: Deadline,
): Promise<void> {
  if (type === 'ext4') await checkExt4(exec, device, [], deadline);
}

/** e2fsck -p with more flags; errors as {@link repairBeforeMount}. */
export async function checkExt4(
  exec: Exec,
  device: string,
  flags: readonly string[],
  deadline: Deadline,
): Promise<void> {
  const result = await exec('e2fsck', [...flags, '-p', device], { deadline, okCodes: ANY_CODE });
  if (result.exitCode <= CORRECTED) return;
  // e2fsck explains itself on standard output.
  const said = `${result.stdout} ${result.stderr}`.replaceAll(/\s+/g, ' ').trim().slice(0, WHY_SHOWN);
  throw berthError('BERTH_FILESYSTEM_DAMAGED', {
    fs: 'ext4',
    volume: device,
    why: `e2fsck ended with ${result.exitCode}: ${said}`,
  });
}
