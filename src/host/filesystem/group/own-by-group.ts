/**
 * Gives a mounted filesystem's files to a group, as kubelet does for a pod's fsGroup with the policy OnRootMismatch.
 */
import type { Deadline } from '../../../model/deadline.js';
import { programFile } from '../../../model/package-root.js';
import type { Exec } from '../../process/exec.js';
import { DONE_BITS, type Given } from './give-to-group.js';

const PROGRAM = programFile('host/filesystem/group/give-to-group-program.js');

/**
 * Undefined where its root directory says that all of it is done already. A walk that was cut, with the driver, is
 * repeated, and passes over what it has done. `root` is a mount of the filesystem, no pod is in it, and neither another
 * filesystem nor a symbolic link is followed. The deadline stands still meanwhile. BERTH_COMMAND_FAILED, DEADLINE.
 * @param gid a decimal number
 */
export async function ownByGroup(
  exec: Exec,
  root: string,
  gid: string,
  deadline: Deadline,
): Promise<Given | undefined> {
  // In a child: a filesystem that does not answer must not hold up this process.
  const { stdout } = await exec('stat', ['-c', '%g %a', root], { deadline });
  const [group, mode = ''] = stdout.split(' ');
  if (group === gid && (parseInt(mode, 8) & DONE_BITS) === DONE_BITS) return undefined;
  const work = { progress: (files: string) => `${files} files done` };
  const walk = await exec(process.execPath, [PROGRAM, root, gid], { deadline, work });
  return JSON.parse(walk.stdout) as Given;
}
