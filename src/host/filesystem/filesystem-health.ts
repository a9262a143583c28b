/**
 * What the kernel itself says of a mounted filesystem's health, from mountinfo and sysfs: the filesystem is not asked.
 */
import { isFilesystemType } from '../../model/capability.js';
import type { Mount } from '../mount/mountinfo.js';
import { filesystems } from './filesystems.js';

/** Options of the filesystem that it gives itself after errors: ext4 since 6.15, others at a shutdown. */
const STOPPED = ['emergency_ro', 'shutdown'];

/** Why it is not well; undefined where nothing is known against it. `readOnly`: it was mounted so on purpose. */
export async function whyFilesystemSick(
  mount: Mount,
  readOnly: boolean,
  sysRoot = '/sys',
): Promise<string | undefined> {
  const { superOptions, fsType, device } = mount;
  const stopped = superOptions.find((option) => STOPPED.includes(option));
  if (stopped !== undefined) return `its ${fsType} filesystem has stopped writing after errors (${stopped})`;
  if (!readOnly && superOptions.includes('ro')) return `its ${fsType} filesystem has been made read-only after errors`;
  return isFilesystemType(fsType) ? filesystems[fsType].countedErrors(device, sysRoot) : undefined;
}
