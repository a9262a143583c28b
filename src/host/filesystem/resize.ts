/** Makes a filesystem as large as its device; one that already is stays untouched. */
import { readFile } from 'node:fs/promises';
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { deviceSizeBytes } from '../device/block-device.js';
import type { Exec, ExecResult } from '../process/exec.js';
import { checkExt4 } from './repair.js';
import { readSuperblock } from './superblock.js';

export interface OfflineGrowth {
  readonly device: string;
  readonly type: FilesystemType;
}

export interface OnlineGrowth extends OfflineGrowth {
  /** Where it is mounted, writable. */
  readonly mountPoint: string;
}

/** Smallest block that a filesystem may leave unused at the end of its device. */
const SLACK_BYTES = 64n * 1024n;
const WHY_SHOWN = 300;
/** Bit of CAP_SYS_RESOURCE in a capability set (linux/capability.h). */
const CAP_SYS_RESOURCE = 24n;

/**
 * Grow an unmounted ext4. BERTH_FILESYSTEM_GROW_FAILED (always for xfs, which grows only while mounted),
 * BERTH_FILESYSTEM_DAMAGED, BERTH_PROBE_FAILED, DEADLINE.
 */
export async function growOffline(exec: Exec, { device, type }: OfflineGrowth, deadline: Deadline): Promise<void> {
  if (type === 'xfs') throw growFailed(type, device, 'xfs grows only while it is mounted');
  if (await isAsLargeAsDevice(device, type, deadline)) return;
  // resize2fs insists on a check after the last mount, and the check replays the journal.
  await checkExt4(exec, device, ['-f'], deadline);
  const result = await exec('resize2fs', [device], { deadline, okCodes: [0, 1] });
  if (result.exitCode !== 0) throw growFailed(type, device, oneLine(result));
}

/**
 * Grow a filesystem mounted at `mountPoint`. BERTH_FILESYSTEM_GROW_FAILED, BERTH_PROBE_FAILED, BERTH_COMMAND_MISSING,
 * DEADLINE.
 */
export async function growOnline(
  exec: Exec,
  { device, type, mountPoint }: OnlineGrowth,
  deadline: Deadline,
): Promise<void> {
  if (type === 'xfs') {
    // Always run: it knows the true size, and does nothing where there is nothing to do.
    const result = await exec('xfs_growfs', ['-d', mountPoint], { deadline, okCodes: [0, 1] });
    if (result.exitCode !== 0) throw growFailed(type, mountPoint, oneLine(result));
    return;
  }
  if (await isAsLargeAsDevice(device, type, deadline)) return;
  const result = await exec('resize2fs', [device], { deadline, okCodes: [0, 1] });
  if (result.exitCode === 0) return;
  throw growFailed(type, mountPoint, saysNotPermitted(result.stderr) ? await whyNotPermitted() : oneLine(result));
}

/** resize2fs: the kernel answered EPERM to EXT4_IOC_RESIZE_FS (e2fsprogs, resize/online.c). */
export const saysNotPermitted = (stderr: string): boolean => /Permission denied to resize filesystem/.test(stderr);

async function isAsLargeAsDevice(device: string, type: FilesystemType, deadline: Deadline): Promise<boolean> {
  const { sizeBytes } = await readSuperblock(device, type, deadline);
  return sizeBytes + SLACK_BYTES > (await deviceSizeBytes(device));
}

async function whyNotPermitted(): Promise<string> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  if (((effective >> CAP_SYS_RESOURCE) & 1n) === 0n) {
    return 'the kernel lets only CAP_SYS_RESOURCE grow a mounted ext4, and this process does not have it';
  }
  return 'the kernel refused it; ext4 does so where it recorded errors (kernel log)';
}

const oneLine = ({ stdout, stderr }: ExecResult): string =>
  (stderr === '' ? stdout : stderr).replaceAll(/\s+/g, ' ').trim().slice(0, WHY_SHOWN);

const growFailed = (fs: FilesystemType, path: string, why: string) =>
  berthError('BERTH_FILESYSTEM_GROW_FAILED', { fs, path, why });
