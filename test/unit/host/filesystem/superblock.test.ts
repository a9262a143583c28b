/** Superblocks byte by byte: sizes beyond 32 bits, flags, and pages that hold none. */
import { describe, expect, it } from 'vitest';
import { parseSuperblock } from '../../../../src/host/filesystem/superblock.js';

interface Ext4 {
  readonly blocks: bigint;
  readonly logBlockSize: number;
  readonly state: number;
  readonly incompat: number;
}

function ext4({ blocks, logBlockSize, state, incompat }: Ext4): Buffer {
  const page = Buffer.alloc(4096);
  page.writeUInt32LE(Number(blocks & 0xffffffffn), 1024 + 0x4);
  page.writeUInt32LE(logBlockSize, 1024 + 0x18);
  page.writeUInt16LE(0xef53, 1080);
  page.writeUInt16LE(state, 1024 + 0x3a);
  page.writeUInt32LE(incompat, 1024 + 0x60);
  page.writeUInt32LE(Number(blocks >> 32n), 1024 + 0x150);
  return page;
}

function xfs(blockSize: number, blocks: bigint, inProgress = 0): Buffer {
  const page = Buffer.alloc(4096);
  page.write('XFSB', 'latin1');
  page.writeUInt32BE(blockSize, 4);
  page.writeBigUInt64BE(blocks, 8);
  page.writeUInt8(inProgress, 126);
  return page;
}

const CLEAN = { blocks: 1000n, logBlockSize: 2, state: 1, incompat: 0 };

describe('ext4', () => {
  it('has its size from block count and block size', () => {
    expect(parseSuperblock('ext4', ext4(CLEAN))?.sizeBytes).toBe(4_096_000n);
    expect(parseSuperblock('ext4', ext4({ ...CLEAN, logBlockSize: 0 }))?.sizeBytes).toBe(1_024_000n);
  });

  it('counts the high half of its blocks only with the 64bit feature', () => {
    const blocks = (3n << 32n) + 5n;
    expect(parseSuperblock('ext4', ext4({ ...CLEAN, blocks, incompat: 0x80 }))?.sizeBytes).toBe(blocks * 4096n);
    expect(parseSuperblock('ext4', ext4({ ...CLEAN, blocks }))?.sizeBytes).toBe(5n * 4096n);
  });

  it('says whether errors were recorded and the journal is to be replayed', () => {
    expect(parseSuperblock('ext4', ext4(CLEAN))).toMatchObject({ errors: false, needsRecovery: false });
    expect(parseSuperblock('ext4', ext4({ ...CLEAN, state: 3 }))?.errors).toBe(true);
    expect(parseSuperblock('ext4', ext4({ ...CLEAN, incompat: 0x2c6 }))?.needsRecovery).toBe(true);
  });
});

describe('xfs', () => {
  it('has its size from block count and block size', () => {
    expect(parseSuperblock('xfs', xfs(4096, 1n << 40n))?.sizeBytes).toBe(1n << 52n);
  });

  it('says when its mkfs did not end', () => {
    expect(parseSuperblock('xfs', xfs(4096, 1n))?.unfinished).toBe(false);
    expect(parseSuperblock('xfs', xfs(4096, 1n, 1))?.unfinished).toBe(true);
  });
});

describe('a page without a superblock', () => {
  it.each([
    ['of zeroes', Buffer.alloc(4096)],
    ['that is too short', ext4(CLEAN).subarray(0, 1100)],
    ['that is empty', Buffer.alloc(0)],
  ])('%s gives none', (_, page) => {
    expect(parseSuperblock('ext4', page)).toBeUndefined();
    expect(parseSuperblock('xfs', page)).toBeUndefined();
  });

  it('of the other filesystem gives none', () => {
    expect(parseSuperblock('ext4', xfs(4096, 1n))).toBeUndefined();
    expect(parseSuperblock('xfs', ext4(CLEAN))).toBeUndefined();
  });
});
