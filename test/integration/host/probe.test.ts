/** What a real device holds: nothing, a filesystem, something else, or an answer that cannot be had. */
import { open, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { filesystems } from '../../../src/host/filesystem/filesystems.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { hasFilesystem, isBlank, probeDevice } from '../../../src/host/filesystem/probe-device.js';
import { readSuperblock, superblockOf } from '../../../src/host/filesystem/superblock.js';
import { attachLoop } from '../../../src/dev/mapper/loop-device.js';
import { Deadline } from '../../../src/model/deadline.js';
import { MIB, scratchDevice, scratchDirectory, soon, sparseFile, writeAt } from './scratch.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';

/** One Linux partition from sector 2048. */
function masterBootRecord(): Buffer {
  const sector = Buffer.alloc(512);
  sector.writeUInt8(0x83, 446 + 4);
  sector.writeUInt32LE(2048, 446 + 8);
  sector.writeUInt32LE(4096, 446 + 12);
  sector.writeUInt16BE(0x55aa, 510);
  return sector;
}

describe('probe', () => {
  it.each([[64 * MIB], [5 * MIB], [4 * MIB], [MIB], [512]])('calls a device of %d zero bytes empty', async (bytes) => {
    const { device } = await scratchDevice(bytes);
    expect(await probeDevice(run, device, soon())).toEqual({ kind: 'empty' });
  });

  it.each([
    ['ext4' as const, 16 * MIB],
    ['xfs' as const, 300 * MIB],
  ])('knows %s and its uuid', async (type, bytes) => {
    const { device } = await scratchDevice(bytes);
    await makeFilesystem(run, { device, type, uuid: UUID, options: [] }, soon());
    expect(await probeDevice(run, device, soon())).toEqual({ kind: 'filesystem', type, uuid: UUID });
  });

  it('does not call a swap area or a partition table a filesystem', async () => {
    const { device } = await scratchDevice(16 * MIB);
    await run('mkswap', [device], { deadline: soon() });
    expect(await probeDevice(run, device, soon())).toEqual({ kind: 'other', what: 'swap' });
    const table = await scratchDevice(16 * MIB);
    await writeAt(table.file, 0, masterBootRecord());
    expect(await probeDevice(run, table.device, soon())).toEqual({ kind: 'other', what: 'a dos partition table' });
  });

  it('sees two signatures at once', async () => {
    const { device, file } = await scratchDevice(16 * MIB);
    await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
    await writeAt(file, 0, 'XFSB');
    await writeAt(file, 4096 - 10, 'SWAPSPACE2');
    expect((await probeDevice(run, device, soon())).kind).not.toBe('empty');
  });

  it.each([
    ['the first byte', 0],
    ['the last byte of the first 4 MiB', 4 * MIB - 1],
    ['the first byte of the last 4 MiB', 60 * MIB],
    ['the last byte', 64 * MIB - 1],
  ])('does not call a device empty for one bit in %s', async (_, offset) => {
    const { device, file } = await scratchDevice(64 * MIB);
    await writeAt(file, offset, '\x01');
    expect(await probeDevice(run, device, soon())).toEqual({ kind: 'other', what: 'data without a known signature' });
  });

  it('sees what was written below the device while its page cache still held the old content', async () => {
    const { device, file } = await scratchDevice(16 * MIB);
    const holder = await open(device);
    onTestFinished(() => holder.close());
    await holder.read(Buffer.alloc(4096), 0, 4096, 0);
    await writeAt(file, 100, 'another node was here');
    const stale = Buffer.alloc(4096);
    await holder.read(stale, 0, 4096, 0);
    expect(stale.every((byte) => byte === 0)).toBe(true);
    expect((await probeDevice(run, device, soon())).kind).toBe('other');
  });
});

describe.each(['ext4', 'xfs'] as const)('hasFilesystem and superblockOf, %s', (type) => {
  const size = type === 'xfs' ? 300 * MIB : 16 * MIB;
  const holds = async (device: string, uuid: string, as: 'ext4' | 'xfs' = type) => {
    const said = await hasFilesystem(run, device, { type: as, uuid }, soon());
    // Berth's own look says what blkid says.
    expect((await superblockOf(device, filesystems[as], uuid, soon())) !== undefined).toBe(said);
    return said;
  };

  it('recognizes the filesystem by type and uuid, in whatever case', async () => {
    const { device } = await scratchDevice(size);
    await makeFilesystem(run, { device, type, uuid: UUID, options: [] }, soon());
    expect(await holds(device, UUID)).toBe(true);
    expect(await holds(device, UUID.toUpperCase())).toBe(true);
    expect(await holds(device, UUID.replace(/.$/, 'f'))).toBe(false);
    expect(await holds(device, UUID, type === 'xfs' ? 'ext4' : 'xfs')).toBe(false);
  });

  it('is not sure of an empty device, nor of one that cannot be read', async () => {
    const { device, file } = await scratchDevice(size);
    expect(await holds(device, UUID)).toBe(false);
    await truncate(file, 0);
    expect(await holds(device, UUID)).toBe(false);
  });
});

it.each([
  ['of ext2', ['-O', '^has_journal,^extent,^64bit,^flex_bg,^metadata_csum,^huge_file,^dir_nlink,^extra_isize']],
  ['of ext3', ['-O', '^extent,^64bit,^flex_bg,^metadata_csum,^huge_file,^dir_nlink,^extra_isize']],
  ['with only one feature of its own', ['-O', '^extent,^64bit,^flex_bg,^metadata_csum,^huge_file,^dir_nlink']],
])('superblockOf, an ext4 %s: it is one where blkid says so', async (_what, options) => {
  const { device } = await scratchDevice(16 * MIB);
  await run('mkfs.ext4', ['-q', '-U', UUID, ...options, device], { deadline: soon() });
  const blkid = await probeDevice(run, device, soon());
  const isExt4 = blkid.kind === 'filesystem' && blkid.type === 'ext4';
  expect((await superblockOf(device, filesystems.ext4, UUID, soon())) !== undefined).toBe(isExt4);
});

it.each([
  ['nothing', undefined, true],
  ['one byte in its first sector', 100, false],
  ['one byte at the end of its first MiB', MIB - 1, false],
])('isBlank, a device with %s: says so', async (_what, at, is) => {
  const { device, file } = await scratchDevice(4 * MIB);
  if (at !== undefined) await writeAt(file, at, Buffer.from([1]));
  expect(await isBlank(run, device, soon())).toBe(is);
});

describe('a probe that fails', () => {
  it('is an error for a device that answers with I/O errors, of which blkid says "nothing found"', async () => {
    const { device, file } = await scratchDevice(16 * MIB);
    await truncate(file, 0);
    expect((await run('blkid', ['--probe', device], { deadline: soon(), okCodes: [2] })).exitCode).toBe(2);
    await expect(probeDevice(run, device, soon())).rejects.toMatchObject({ code: 'BERTH_PROBE_FAILED' });
  });

  it('is an error for a device that can be read at its beginning only', async () => {
    const { device, file } = await scratchDevice(16 * MIB);
    await truncate(file, 8 * MIB);
    await expect(probeDevice(run, device, soon())).rejects.toThrow(/BERTH_PROBE_FAILED: .*cmp ended with 2/);
  });

  it('is an error for a device without a size', async () => {
    const directory = await scratchDirectory();
    const file = await sparseFile(path.join(directory, 'image'), 0);
    const device = await attachLoop(run, { file, readOnly: false }, soon());
    await expect(probeDevice(run, device, soon())).rejects.toThrow(/BERTH_PROBE_FAILED: .*size of 0/);
  });

  it('is an error for a device that is not there, of which blkid says "nothing found" as well', async () => {
    await expect(probeDevice(run, '/dev/berth-none', soon())).rejects.toMatchObject({ code: 'BERTH_DEVICE_INVALID' });
  });

  it('is an error when there was no time', async () => {
    const { device } = await scratchDevice(MIB);
    await expect(probeDevice(run, device, Deadline.after(0))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });
});

describe('readSuperblock', () => {
  it('reads past the page cache', async () => {
    const { device, file } = await scratchDevice(16 * MIB);
    await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
    const holder = await open(device);
    onTestFinished(() => holder.close());
    await holder.read(Buffer.alloc(4096), 0, 4096, 0);
    await writeAt(file, 1024 + 0x3a, '\x03\x00');
    expect((await readSuperblock(device, filesystems.ext4)).errors).toBe(true);
  });

  it('is PROBE_FAILED where there is none', async () => {
    const { device } = await scratchDevice(MIB);
    await expect(readSuperblock(device, filesystems.xfs)).rejects.toThrow(/BERTH_PROBE_FAILED: .*no xfs superblock/);
    await expect(readSuperblock('/dev/berth-none', filesystems.xfs)).rejects.toMatchObject({
      code: 'BERTH_PROBE_FAILED',
    });
  });
});
