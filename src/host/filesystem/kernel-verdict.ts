/**
 * What the kernel itself says of a mounted filesystem's health, from mountinfo and sysfs: the filesystem is not asked.
 */
import { readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import type { Mount } from '../mount/mountinfo.js';

/** Options of the filesystem that it gives itself after errors: ext4 since 6.15, others at a shutdown. */
const STOPPED = ['emergency_ro', 'shutdown'];

/** Why it is not well; undefined where nothing is known against it. `readOnly`: it was mounted so on purpose. */
export async function whyFilesystemSick(
  mount: Mount,
  readOnly: boolean,
  sysRoot = '/sys',
): Promise<string | undefined> {
  const { superOptions, fsType } = mount;
  const stopped = superOptions.find((option) => STOPPED.includes(option));
  if (stopped !== undefined) return `its ${fsType} filesystem has stopped writing after errors (${stopped})`;
  if (!readOnly && superOptions.includes('ro')) return `its ${fsType} filesystem has been made read-only after errors`;
  return fsType === 'ext4' ? errorsOfExt4(mount.device, sysRoot) : undefined;
}

/** Counted in the superblock until e2fsck has looked at it. */
async function errorsOfExt4(number: string, sysRoot: string): Promise<string | undefined> {
  const name = path.basename(await readlink(path.join(sysRoot, 'dev/block', number)).catch(() => ''));
  if (name === '') return undefined;
  const attribute = async (file: string): Promise<string> =>
    (await readFile(path.join(sysRoot, 'fs/ext4', name, file), 'utf8').catch(() => '')).trim();
  const count = Number(await attribute('errors_count'));
  if (!(count > 0)) return undefined;
  const where = await attribute('last_error_func');
  const at = Number(await attribute('last_error_time'));
  const last = at > 0 ? `, the last ${where === '' ? '' : `in ${where} `}at ${new Date(at * 1000).toISOString()}` : '';
  return `its ext4 filesystem counts ${count} errors${last}; e2fsck is due`;
}
