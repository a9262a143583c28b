/**
 * What the kernel itself says of a mounted filesystem's health: from mountinfo and sysfs, where the filesystem is not
 * asked, and from one look at its root, which an xfs that has shut down refuses.
 */
import { isFilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { Mount } from '../mount/mountinfo.js';
import type { Exec } from '../process/exec.js';
import { filesystems } from './filesystems.js';

/** Options of the filesystem that it gives itself after errors: ext4 since 6.15, others at a shutdown. */
const STOPPED = ['emergency_ro', 'shutdown'];

/** What a person does about one that the kernel gave up. */
export const MENDING =
  'delete the pods that have the volume on this node, the next one gets it checked and mounted anew';

/** What the root of a filesystem may take to say that it is there, in ms: it comes from memory. */
const LOOK_MS = 2_000;

/**
 * Why nothing can be written to it any more, as far as mountinfo shows it; undefined where it does not. `readOnly`: it
 * was mounted so on purpose.
 */
export function whyShownStopped({ superOptions, fsType }: Mount, readOnly: boolean): string | undefined {
  const stopped = superOptions.find((option) => STOPPED.includes(option));
  if (stopped !== undefined) return `its ${fsType} filesystem has stopped writing after errors (${stopped})`;
  if (!readOnly && superOptions.includes('ro')) return `its ${fsType} filesystem has been made read-only after errors`;
  return undefined;
}

/**
 * Why it is not well, errors that it has survived included; undefined where nothing is known against it. `readOnly`: it
 * was mounted so on purpose.
 */
export function whyFilesystemSick(mount: Mount, readOnly: boolean, sysRoot = '/sys'): string | undefined {
  const stopped = whyShownStopped(mount, readOnly);
  if (stopped !== undefined) return `${stopped}; ${MENDING}`;
  const { fsType, device } = mount;
  return isFilesystemType(fsType) ? filesystems[fsType].countedErrors(device, sysRoot) : undefined;
}

/**
 * Why the kernel has given it up: {@link whyShownStopped}, and also where its root answers EIO. An xfs shows a shutdown
 * nowhere else (measured on Linux 6.18). Undefined as well where it does not answer in time.
 */
export async function whyFilesystemStopped(
  exec: Exec,
  mount: Mount,
  readOnly: boolean,
  deadline: Deadline,
): Promise<string | undefined> {
  const shown = whyShownStopped(mount, readOnly);
  if (shown !== undefined || !isFilesystemType(mount.fsType) || !filesystems[mount.fsType].hidesShutdown) return shown;
  try {
    const options = { deadline: deadline.within(LOOK_MS), okCodes: [0, 1] };
    const { exitCode, stderr } = await exec('stat', ['--format=%i', '--', mount.target], options);
    return exitCode !== 0 && saysInputError(stderr) ? `its ${mount.fsType} filesystem has shut down` : undefined;
  } catch (error) {
    if (isBerthError(error, 'BERTH_DEADLINE') && !deadline.expired) return undefined;
    throw error;
  }
}

/** stat: the kernel said EIO. */
export const saysInputError = (stderr: string): boolean => /Input\/output error/.test(stderr);
