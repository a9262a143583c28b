/** ext4: it grows mounted or not, and e2fsck checks and repairs it where no kernel is to mount it. */
import { readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import { deviceSizeBytes } from '../device/block-device.js';
import { CAP_SYS_RESOURCE, hasCapability } from '../process/capability-set.js';
import type { Exec } from '../process/exec.js';
import { runE2fsck } from './check/e2fsck.js';
import type { Filesystem, MkfsOption, Superblock } from './filesystem.js';
import { readSuperblock } from './superblock.js';
import { complaint, growError } from './tool-failures.js';

export const ext4: Filesystem = {
  type: 'ext4',
  needs: {
    programs: ['mkfs.ext4', 'e2fsck', 'resize2fs', 'cmp'],
    packages: 'e2fsprogs diffutils',
    without: 'ext4 volumes cannot be made, checked or grown',
  },
  // Below this there is no room for a journal (measured).
  minimumBytes: 2n * 1024n * 1024n,
  mkfsFlags: 'bCEgGiIJLmNOr',
  mkfsArguments,
  parseSuperblock,
  countedErrors,
  hidesShutdown: false,
  mountShowsDeviceNumber: true,
  mountOptions: (readOnly) => (readOnly ? ['ro'] : []),
  check: (exec, device, deadline) => runE2fsck(exec, device, { force: false }, deadline),
  growProgram: 'resize2fs',
  growUnmounted,
  growMounted,
};

/**
 * Of several -E only the last counts (mke2fs.c), so a user's are appended to these. A new thin image is zero: no need
 * to discard it.
 */
const EXTENDED = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';

function mkfsArguments(uuid: string, options: readonly MkfsOption[], force: boolean): readonly string[] {
  const extended = [EXTENDED, ...options.filter(({ flag }) => flag === '-E').map(({ value }) => value)];
  // -m0: blocks kept back for root are blocks that the user paid for.
  const ours = ['-q', '-U', uuid, '-m', '0', '-E', extended.join(',')];
  const theirs = options.filter(({ flag }) => flag !== '-E').flatMap(({ flag, value }) => [flag, value]);
  return [...ours, ...(force ? ['-F'] : []), ...theirs];
}

/** Where struct ext4_super_block (fs/ext4/ext4.h) begins; it is little endian. */
const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
const MAGIC = 0xef53;
const ERROR_FS = 0x2;
const INCOMPAT_64BIT = 0x80;

function parseSuperblock(page: Buffer): Superblock | undefined {
  if (page.length < SUPERBLOCK_AT + SUPERBLOCK_BYTES) return undefined;
  const block = page.subarray(SUPERBLOCK_AT);
  if (block.readUInt16LE(0x38) !== MAGIC) return undefined;
  // The high half is only valid with the 64bit feature; without it these bytes may hold anything.
  const has64Bit = (block.readUInt32LE(0x60) & INCOMPAT_64BIT) !== 0;
  const high = has64Bit ? BigInt(block.readUInt32LE(0x150)) : 0n;
  const blocks = (high << 32n) | BigInt(block.readUInt32LE(0x4));
  return {
    sizeBytes: blocks << (10n + BigInt(block.readUInt32LE(0x18))),
    errors: (block.readUInt16LE(0x3a) & ERROR_FS) !== 0,
  };
}

/** Counted in the superblock until e2fsck has checked it; the kernel shows the count in sysfs. */
async function countedErrors(number: string, sysRoot: string): Promise<string | undefined> {
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

async function growUnmounted(exec: Exec, device: string, deadline: Deadline): Promise<void> {
  if (await isAsLargeAsDevice(device, deadline)) return;
  // resize2fs insists on a check after the last mount, and the check replays the journal.
  await runE2fsck(exec, device, { force: true }, deadline);
  const result = await exec('resize2fs', [device], { deadline, okCodes: [0, 1] });
  if (result.exitCode !== 0) throw growError('ext4', device, complaint(result));
}

async function growMounted(exec: Exec, device: string, mountPoint: string, deadline: Deadline): Promise<void> {
  if (await isAsLargeAsDevice(device, deadline)) return;
  const result = await exec('resize2fs', [device], { deadline, okCodes: [0, 1] });
  if (result.exitCode === 0) return;
  const why = saysNotPermitted(result.stderr) ? await whyNotPermitted() : complaint(result);
  throw growError('ext4', mountPoint, why);
}

/** Smallest block that it may leave unused at the end of its device. */
const SLACK_BYTES = 64n * 1024n;

async function isAsLargeAsDevice(device: string, deadline: Deadline): Promise<boolean> {
  const { sizeBytes } = await readSuperblock(device, ext4, deadline);
  return sizeBytes + SLACK_BYTES > (await deviceSizeBytes(device));
}

/** resize2fs: the kernel answered EPERM to EXT4_IOC_RESIZE_FS (e2fsprogs, resize/online.c). */
export const saysNotPermitted = (stderr: string): boolean => /Permission denied to resize filesystem/.test(stderr);

async function whyNotPermitted(): Promise<string> {
  if (!hasCapability(await readFile('/proc/self/status', 'utf8'), CAP_SYS_RESOURCE)) {
    return 'the kernel lets only CAP_SYS_RESOURCE grow a mounted ext4, and this process does not have it';
  }
  return 'the kernel refused it; ext4 does so where it recorded errors (kernel log)';
}
