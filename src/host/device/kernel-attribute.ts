/** Reads one value out of sysfs or procfs, where every file may vanish while it is read. */
import { readdir, readFile } from 'node:fs/promises';
import { isErrno } from '../errno.js';

/** What a device or process that is going away answers; all of it means "not there". */
const isGone = (error: unknown): boolean => isErrno(error, 'ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO', 'ESRCH');

/** The file's text without its final newline; undefined where it is not there. Other errors are thrown as they are. */
export async function readAttribute(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).replace(/\n$/, '');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** The directory's entries; none where it is not there. */
export async function listDirectory(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Size in bytes of the block device `name` (`rbd0`) as the kernel shows it now, without touching the device. */
export async function blockSizeBytes(sysRoot: string, name: string): Promise<bigint | undefined> {
  const sectors = await readAttribute(`${sysRoot}/class/block/${name}/size`);
  return sectors === undefined ? undefined : BigInt(sectors) * 512n;
}
