/**
 * Gives a mounted filesystem's files to a group, as kubelet does for a pod's fsGroup with the policy OnRootMismatch.
 */
import type { Deadline } from '../../model/deadline.js';
import type { Exec } from '../process/exec.js';

/** Set-group-id and rwx for the group: what the root directory has once everything below it is done. */
const WANTED_BITS = 0o2070;

/**
 * The root directory comes last, so that it tells whether all of it is done already. `root` is a mount of the
 * filesystem, no pod is in it, and neither another filesystem nor a symbolic link is followed. BERTH_COMMAND_FAILED,
 * BERTH_COMMAND_MISSING, DEADLINE.
 * @param gid a decimal number
 */
export async function ownByGroup(exec: Exec, root: string, gid: string, deadline: Deadline): Promise<void> {
  // In a child: a filesystem that does not answer must not hold up this process.
  const { stdout } = await exec('stat', ['-c', '%g %a', root], { deadline });
  const [group, mode = ''] = stdout.split(' ');
  if (group === gid && (parseInt(mode, 8) & WANTED_BITS) === WANTED_BITS) return;
  const each = async (...what: readonly string[]): Promise<void> => {
    await exec('find', [root, '-xdev', '-depth', ...what, '{}', '+'], { deadline });
  };
  await each('-exec', 'chgrp', '-h', gid);
  await each('-type', 'f', '-exec', 'chmod', 'g+rw');
  await each('-type', 'd', '-exec', 'chmod', 'g+rwxs');
}
