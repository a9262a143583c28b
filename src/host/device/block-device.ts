/**
 * Block devices as the kernel numbers them: what a path in /dev really is, and what sysfs says of it without any I/O.
 */
import { statSync, type BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { pollUntil } from '../../model/time-limit.js';
import { isErrno } from '../errno.js';
import { readAttribute } from './kernel-attribute.js';
import type { Exec } from '../process/exec.js';

/** sysfs counts in sectors of this size whatever the device's own are. */
const SECTOR_BYTES = 512n;

/** "major:minor" of a block special file; BERTH_DEVICE_INVALID for anything else. */
export async function deviceNumber(path: string): Promise<string> {
  const stats = await statOrUndefined(path);
  if (stats === undefined) throw berthError('BERTH_DEVICE_INVALID', { device: path, why: 'it does not exist' });
  return blockNumber(path, stats);
}

/** Size in bytes; BERTH_DEVICE_INVALID where there is no such device. */
export async function deviceSizeBytes(device: string): Promise<bigint> {
  return BigInt(await attribute(device, 'size')) * SECTOR_BYTES;
}

/** Does the kernel refuse to write to it? BERTH_DEVICE_INVALID where there is no such device. */
export async function isDeviceReadOnly(device: string): Promise<boolean> {
  return (await attribute(device, 'ro')) !== '0';
}

/** Make the kernel refuse, or accept, writes to it, whoever opens it; BERTH_COMMAND_FAILED, DEADLINE. */
export async function setDeviceReadOnly(
  exec: Exec,
  device: string,
  readOnly: boolean,
  deadline: Deadline,
): Promise<void> {
  await exec('blockdev', [readOnly ? '--setro' : '--setrw', device], { deadline });
}

/**
 * Wait until `path` is the special file of the device `number` ("major:minor"): devtmpfs makes it, udev is never waited
 * for. DEADLINE; BERTH_DEVICE_INVALID at once where something else than a device is in its place.
 */
export async function waitForDevice(path: string, number: string, deadline: Deadline): Promise<void> {
  const isThere = async () => {
    const stats = await statOrUndefined(path);
    // A node with another number is one that the kernel is about to replace.
    return stats !== undefined && blockNumber(path, stats) === number ? true : undefined;
  };
  await pollUntil(isThere, `waiting for ${path} to be device ${number}`, deadline);
}

/** Split as the C library packs it (sys/sysmacros.h). */
export function formatDeviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

function blockNumber(path: string, stats: BigIntStats): string {
  if (stats.isBlockDevice()) return formatDeviceNumber(stats.rdev);
  // A write to a device that is not there (dd of=/dev/rbd0) leaves a file which then hides the real device.
  const what = stats.isFile() ? 'a regular file' : stats.isDirectory() ? 'a directory' : 'not a block device';
  throw berthError('BERTH_DEVICE_INVALID', { device: path, why: `it is ${what}` });
}

async function statOrUndefined(path: string): Promise<BigIntStats | undefined> {
  try {
    // Of /dev, and of sysfs below, the kernel answers from memory: see kernel-attribute.ts.
    return path.startsWith('/dev/') ? statSync(path, { bigint: true }) : await stat(path, { bigint: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw berthError(
      'BERTH_DEVICE_INVALID',
      { device: path, why: error instanceof Error ? error.message : 'stat failed' },
      error,
    );
  }
}

async function attribute(device: string, name: 'size' | 'ro'): Promise<string> {
  const number = await deviceNumber(device);
  const value = readAttribute(`/sys/dev/block/${number}/${name}`);
  if (value === undefined)
    throw berthError('BERTH_DEVICE_INVALID', { device, why: `the kernel has no device ${number}` });
  return value.trim();
}
