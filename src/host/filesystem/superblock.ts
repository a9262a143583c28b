/** What the superblock of ext4 or xfs says of its filesystem, read by us: no child, no blkid, 4 KiB. */
import type { FilesystemType } from '../../model/capability.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { readFirstPage } from './direct-read.js';

export interface Superblock {
  /** As last written; a mounted xfs writes its new size some time after it grew. */
  readonly sizeBytes: bigint;
  /** The kernel found errors (ext4's flag); xfs records none. */
  readonly errors: boolean;
  /** The journal has to be replayed: it was not unmounted, or is mounted now. */
  readonly needsRecovery: boolean;
  /** Its mkfs did not end (xfs; ext4 writes its superblock last). */
  readonly unfinished: boolean;
}

const READ_MS = 10_000;

/** BERTH_PROBE_FAILED where the device cannot be read or holds no such superblock, DEADLINE. */
export async function readSuperblock(
  device: string,
  type: FilesystemType,
  deadline = Deadline.after(READ_MS),
): Promise<Superblock> {
  let page: Buffer;
  try {
    page = await readFirstPage(device, deadline);
  } catch (error) {
    if (isBerthError(error)) throw error;
    throw berthError(
      'BERTH_PROBE_FAILED',
      { device, why: error instanceof Error ? error.message : 'read failed' },
      error,
    );
  }
  const superblock = parseSuperblock(type, page);
  if (superblock === undefined)
    throw berthError('BERTH_PROBE_FAILED', { device, why: `there is no ${type} superblock` });
  return superblock;
}

/** Size of the filesystem in bytes; errors as {@link readSuperblock}. */
export const filesystemSize = async (device: string, type: FilesystemType): Promise<bigint> =>
  (await readSuperblock(device, type)).sizeBytes;

/** Did the kernel record errors in it? Errors as {@link readSuperblock}. */
export const hasErrors = async (device: string, type: FilesystemType): Promise<boolean> =>
  (await readSuperblock(device, type)).errors;

/** The superblock in the first 4 KiB of a device; undefined where there is none of that type. */
export function parseSuperblock(type: FilesystemType, page: Buffer): Superblock | undefined {
  if (page.length < EXT4_AT + 1024) return undefined;
  return type === 'ext4' ? parseExt4(page) : parseXfs(page);
}

/** Offsets of struct ext4_super_block (fs/ext4/ext4.h), little endian, 1 KiB into the device. */
const EXT4_AT = 1024;
const EXT4_MAGIC = 0xef53;
const EXT4_ERROR_FS = 0x2;
const EXT4_INCOMPAT_RECOVER = 0x4;
const EXT4_INCOMPAT_64BIT = 0x80;

function parseExt4(page: Buffer): Superblock | undefined {
  const block = page.subarray(EXT4_AT);
  if (block.readUInt16LE(0x38) !== EXT4_MAGIC) return undefined;
  const incompat = block.readUInt32LE(0x60);
  // The high half is only valid with the 64bit feature; without it these bytes may hold anything.
  const high = (incompat & EXT4_INCOMPAT_64BIT) === 0 ? 0n : BigInt(block.readUInt32LE(0x150));
  const blocks = (high << 32n) | BigInt(block.readUInt32LE(0x4));
  return {
    sizeBytes: blocks << (10n + BigInt(block.readUInt32LE(0x18))),
    errors: (block.readUInt16LE(0x3a) & EXT4_ERROR_FS) !== 0,
    needsRecovery: (incompat & EXT4_INCOMPAT_RECOVER) !== 0,
    unfinished: false,
  };
}

/** Offsets of struct xfs_dsb (fs/xfs/libxfs/xfs_format.h), big endian. */
const XFS_MAGIC = 'XFSB';

function parseXfs(page: Buffer): Superblock | undefined {
  if (page.toString('latin1', 0, 4) !== XFS_MAGIC) return undefined;
  return {
    sizeBytes: page.readBigUInt64BE(8) * BigInt(page.readUInt32BE(4)),
    errors: false,
    // Only the log itself tells; the kernel replays it at mount.
    needsRecovery: false,
    unfinished: page.readUInt8(126) !== 0,
  };
}
