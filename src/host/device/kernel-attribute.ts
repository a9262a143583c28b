/**
 * Reads one value out of sysfs or procfs, where every file may vanish while it is read. What the kernel answers from
 * memory is read in place: by way of libuv's threads one value takes ten times as long, and two hundred times on a busy
 * machine, while a node with a hundred devices reads a thousand values for each call.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from '../errno.js';

/** What a device or process that is going away answers; all of it means "not there". */
const isGone = (error: unknown): boolean => isErrno(error, 'ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO', 'ESRCH');

/**
 * The file's text without its final newline; undefined where it is not there. Other errors are thrown as they are. Only
 * for what the kernel answers without a lock that somebody holds while he waits for a device.
 */
export function readAttribute(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/\n$/, '');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** As {@link readAttribute}, in a thread: for what a process or a client that hangs may keep waiting. */
export async function readWaitingAttribute(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).replace(/\n$/, '');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** As {@link readAttribute}, for what may also be withheld (hidepid, a masked /proc): undefined then, too. */
export function readShown(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The last name of what a link leads to (`rbd0`); undefined where there is no such link. */
export function linkedName(file: string): string | undefined {
  try {
    return path.basename(readlinkSync(file));
  } catch {
    return undefined;
  }
}

/** The directory's entries; none where it is not there. */
export function listDirectory(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Size in bytes of the block device `name` (`rbd0`) as the kernel shows it now, without touching the device. */
export function blockSizeBytes(sysRoot: string, name: string): bigint | undefined {
  const sectors = readAttribute(`${sysRoot}/class/block/${name}/size`);
  return sectors === undefined ? undefined : BigInt(sectors) * 512n;
}
