/** The superblock of ext4: what it says of the filesystem, and how large its tools can make it. */
import type { Superblock } from './filesystem.js';
import { uuidAt } from './superblock-uuid.js';

/** Where struct ext4_super_block (fs/ext4/ext4.h) begins; it is little endian. */
const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
const MAGIC = 0xef53;
const ERROR_FS = 0x2;
const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_64BIT = 0x80;
/** Bytes of a group's descriptor without the 64bit feature. */
const SMALL_DESCRIPTOR = 32;
/** Blocks without the 64bit feature, and inodes always, are counted in 32 bits. */
const LARGEST_COUNT = 2n ** 32n - 1n;

/** Undefined where the first bytes of a device hold no such superblock. */
export function parseExt4(page: Buffer): Superblock | undefined {
  if (page.length < SUPERBLOCK_AT + SUPERBLOCK_BYTES) return undefined;
  const block = page.subarray(SUPERBLOCK_AT);
  if (block.readUInt16LE(0x38) !== MAGIC) return undefined;
  // The high half is only valid with the 64bit feature; without it these bytes may hold anything.
  const has64Bit = (block.readUInt32LE(0x60) & INCOMPAT_64BIT) !== 0;
  const high = has64Bit ? BigInt(block.readUInt32LE(0x150)) : 0n;
  const blocks = (high << 32n) | BigInt(block.readUInt32LE(0x4));
  return {
    uuid: isExt4(block) ? uuidAt(block, 0x68) : '',
    sizeBytes: blocks << blockShift(block),
    errors: (block.readUInt16LE(0x3a) & ERROR_FS) !== 0,
    needsReplay: (block.readUInt32LE(0x60) & INCOMPAT_RECOVER) !== 0,
    growsTo: growthLimit(block, has64Bit),
    // Time of the last writable mount, and how many there were since the last check: resize2fs leaves both alone.
    mounts: `${block.readUInt32LE(0x2c)}/${block.readUInt16LE(0x34)}`,
  };
}

/** What ext3 knows of features (libblkid, superblocks/ext.c): an ext4 has at least one beyond it. */
const EXT3_INCOMPAT = 0x2 | INCOMPAT_RECOVER | 0x10;
const EXT3_READ_ONLY = 0x1 | 0x2 | 0x4;
const JOURNAL_DEVICE = 0x8;

function isExt4(block: Buffer): boolean {
  const [incompatible, readOnly] = [block.readUInt32LE(0x60), block.readUInt32LE(0x64)];
  if ((incompatible & JOURNAL_DEVICE) !== 0) return false;
  return (incompatible & ~EXT3_INCOMPAT) !== 0 || (readOnly & ~EXT3_READ_ONLY) !== 0;
}

const blockShift = (block: Buffer): bigint => 10n + BigInt(block.readUInt32LE(0x18));

/**
 * resize2fs, mounted or not, grows no further than one group's blocks can hold the descriptors of all groups (main.c,
 * "too many block group descriptors": just below 1 TiB with blocks of 1 KiB), than all inodes can be counted
 * (resize2fs.c, adjust_fs_info), and than all blocks can. Undefined for numbers that cannot be.
 */
function growthLimit(block: Buffer, has64Bit: boolean): bigint | undefined {
  const firstBlock = BigInt(block.readUInt32LE(0x14));
  const groupBlocks = BigInt(block.readUInt32LE(0x20));
  const groupInodes = BigInt(block.readUInt32LE(0x28));
  const descriptor = has64Bit ? block.readUInt16LE(0xfe) : SMALL_DESCRIPTOR;
  const shift = blockShift(block);
  if (groupBlocks === 0n || groupInodes === 0n || descriptor < SMALL_DESCRIPTOR || shift > 16n) return undefined;
  const perBlock = (1n << shift) / BigInt(descriptor);
  const groups = smaller((groupBlocks - firstBlock) * perBlock, LARGEST_COUNT / groupInodes);
  const blocks = firstBlock + groups * groupBlocks;
  return (has64Bit ? blocks : smaller(blocks, LARGEST_COUNT)) << shift;
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
