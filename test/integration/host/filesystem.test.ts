/** Real filesystems: made only on empty devices, repaired where they say so, grown to their device. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceSizeBytes } from '../../../src/host/device/block-device.js';
import { run } from '../../../src/host/process/exec.js';
import { repairBeforeMount } from '../../../src/host/filesystem/check/check-filesystem.js';
import { filesystems } from '../../../src/host/filesystem/filesystems.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { probeDevice } from '../../../src/host/filesystem/probe-device.js';
import { growFilesystem } from '../../../src/host/filesystem/resize-filesystem.js';
import { readSuperblock } from '../../../src/host/filesystem/superblock.js';
import { refreshLoop } from '../../../src/dev/mapper/loop-device.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { UsageReader } from '../../../src/host/filesystem/filesystem-usage.js';
import { mayResizeOnline, MIB, scratchDevice, soon, writeAt, type Scratch } from './scratch.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c05';
const OTHER = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c06';
type Type = 'ext4' | 'xfs';
const SIZE: Record<Type, number> = { ext4: 16 * MIB, xfs: 320 * MIB };

const make = (device: string, type: Type, more: { uuid?: string; options?: string[]; force?: boolean } = {}) =>
  makeFilesystem(run, { device, type, uuid: UUID, options: [], ...more }, soon());
const mount = ({ device, target }: Scratch, fsType: Type) =>
  mountFilesystem(run, { device, target, fsType, options: [] }, soon());
const superblock = (device: string, type: Type) => readSuperblock(device, filesystems[type]);
const filesystemSize = async (device: string, type: Type) => (await superblock(device, type)).sizeBytes;
const hasErrors = async (device: string, type: Type) => (await superblock(device, type)).errors;

async function enlarge({ device, file }: Scratch, bytes: number): Promise<void> {
  await run('truncate', ['--size', String(bytes), file], { deadline: soon() });
  await refreshLoop(run, device, soon());
}

describe.each(['ext4', 'xfs'] as const)('makeFilesystem %s', (type) => {
  it('makes one that fills the device and can be written to', async () => {
    const scratch = await scratchDevice(SIZE[type]);
    await make(scratch.device, type);
    expect(await filesystemSize(scratch.device, type)).toBe(BigInt(SIZE[type]));
    expect(await hasErrors(scratch.device, type)).toBe(false);
    await mount(scratch, type);
    await writeFile(path.join(scratch.target, 'file'), 'data');
    await unmount(run, scratch.target, soon());
  });

  it('does not touch a device with content, unless an own mkfs is to be repeated', async () => {
    const { device } = await scratchDevice(SIZE[type]);
    await make(device, type, { uuid: OTHER });
    await expect(make(device, type)).rejects.toThrow(`BERTH_FORMAT_REFUSED: volume ${device} will not be formatted`);
    expect(await probeDevice(run, device, soon())).toMatchObject({ uuid: OTHER });
    await make(device, type, { force: true });
    expect(await probeDevice(run, device, soon())).toMatchObject({ uuid: UUID });
    const unknown = await scratchDevice(SIZE[type]);
    await writeAt(unknown.file, SIZE[type] - 1, 'x');
    await expect(make(unknown.device, type)).rejects.toMatchObject({ code: 'BERTH_FORMAT_REFUSED' });
    expect((await run('tail', ['-c', '1', unknown.device], { deadline: soon() })).stdout).toBe('x');
  });

  it('does not touch a mounted device, whatever is asked', async () => {
    const scratch = await scratchDevice(SIZE[type]);
    await make(scratch.device, type);
    await mount(scratch, type);
    await expect(make(scratch.device, type, { force: true })).rejects.toThrow(/it is mounted at/);
  });

  it('works at its smallest size and refuses less', async () => {
    const least = Number(filesystems[type].minimumBytes);
    const { device } = await scratchDevice(least);
    await make(device, type);
    const small = await scratchDevice(least - 4096);
    await expect(make(small.device, type)).rejects.toThrow(/bytes are too few/);
  });
});

describe("a user's mkfs options", () => {
  it('reach ext4 together with ours', async () => {
    const { device } = await scratchDevice(SIZE.ext4);
    await make(device, 'ext4', { options: ['-E', 'stride=4', '-b', '2048', '-m', '1'] });
    const { stdout } = await run('dumpe2fs', ['-h', device], { deadline: soon() });
    expect(stdout).toMatch(/^Block size: +2048$/m);
    expect(stdout).toMatch(/^RAID stride: +4$/m);
    expect(stdout).toMatch(/^Reserved block count: +[1-9]/m);
  });

  it('reach xfs together with ours', async () => {
    const { device } = await scratchDevice(SIZE.xfs);
    await make(device, 'xfs', { options: ['-m', 'reflink=0', '-L', 'mine'] });
    expect(await probeDevice(run, device, soon())).toMatchObject({ uuid: UUID });
    const { stdout } = await run('xfs_db', ['-r', '-c', 'info', device], { deadline: soon() });
    expect(stdout).toContain('reflink=0');
  });
});

describe('repairBeforeMount', () => {
  it('leaves a filesystem alone that records no errors', async () => {
    for (const type of ['ext4', 'xfs'] as const) {
      const { device } = await scratchDevice(SIZE[type]);
      await make(device, type);
      expect(await repairBeforeMount(run, device, type, soon())).toBe('not needed');
    }
  });

  it('repairs an ext4 that records errors, and the errors are gone', async () => {
    const { device } = await scratchDevice(SIZE.ext4);
    await make(device, 'ext4');
    await run('debugfs', ['-w', '-R', 'set_super_value state 2', device], { deadline: soon() });
    expect(await hasErrors(device, 'ext4')).toBe(true);
    expect(await repairBeforeMount(run, device, 'ext4', soon())).toBe('repaired');
    expect(await hasErrors(device, 'ext4')).toBe(false);
  });

  it('calls an ext4 damaged that e2fsck will not repair without a human', async () => {
    const { device } = await scratchDevice(SIZE.ext4);
    await make(device, 'ext4');
    await run('debugfs', ['-w', '-R', 'clri <2>', device], { deadline: soon() });
    await run('debugfs', ['-w', '-R', 'set_super_value state 2', device], { deadline: soon() });
    await expect(repairBeforeMount(run, device, 'ext4', soon())).rejects.toThrow(
      /BERTH_FILESYSTEM_DAMAGED: the ext4 filesystem .* e2fsck ended with 4: .*RUN fsck MANUALLY/,
    );
  });
});

/** What comes before the first write; the tests of volumes have a real one. */
const guard = (): Promise<void> => Promise.resolve();

describe('growth of ext4', () => {
  it('offline takes the whole device and keeps the data', async () => {
    const scratch = await scratchDevice(SIZE.ext4);
    await make(scratch.device, 'ext4');
    await mount(scratch, 'ext4');
    await writeFile(path.join(scratch.target, 'file'), 'data');
    await unmount(run, scratch.target, soon());
    await enlarge(scratch, 48 * MIB);
    await growFilesystem(run, { device: scratch.device, type: 'ext4', mountedAt: undefined, guard }, soon());
    expect(await filesystemSize(scratch.device, 'ext4')).toBe(await deviceSizeBytes(scratch.device));
    await mount(scratch, 'ext4');
    expect(await readFile(path.join(scratch.target, 'file'), 'utf8')).toBe('data');
  });

  it('runs nothing where there is nothing to grow', async () => {
    const { device } = await scratchDevice(SIZE.ext4);
    await make(device, 'ext4');
    const nothing: typeof run = (file) => Promise.reject(new Error(`${file} was run`));
    await growFilesystem(nothing, { device, type: 'ext4', mountedAt: undefined, guard }, soon());
    await growFilesystem(nothing, { device, type: 'ext4', mountedAt: '/none' }, soon());
  });

  it('online works, or says which capability is missing', async () => {
    const scratch = await scratchDevice(SIZE.ext4);
    const { device, target } = scratch;
    await make(device, 'ext4');
    await mount(scratch, 'ext4');
    await enlarge(scratch, 48 * MIB);
    const may = await mayResizeOnline();
    const growth = growFilesystem(run, { device, type: 'ext4', mountedAt: target }, soon());
    if (may) {
      await growth;
      expect(await filesystemSize(device, 'ext4')).toBe(await deviceSizeBytes(device));
    } else {
      await expect(growth).rejects.toThrow(/BERTH_FILESYSTEM_GROW_FAILED: .*CAP_SYS_RESOURCE/);
      expect(await filesystemSize(device, 'ext4')).toBe(BigInt(SIZE.ext4));
    }
  });
});

describe('growth of xfs', () => {
  it('online takes the whole device, and a second time is no error', async () => {
    const scratch = await scratchDevice(SIZE.xfs);
    const { device, target } = scratch;
    await make(device, 'xfs');
    await mount(scratch, 'xfs');
    const before = (await new UsageReader(run).read(target, 'scratch', soon())).bytes.total;
    await enlarge(scratch, 2 * SIZE.xfs);
    for (let n = 0; n < 2; n += 1) await growFilesystem(run, { device, type: 'xfs', mountedAt: target }, soon());
    const after = (await new UsageReader(run).read(target, 'scratch', soon())).bytes.total;
    expect(Number(after - before)).toBeGreaterThan(0.9 * SIZE.xfs);
    await unmount(run, target, soon());
    expect(await filesystemSize(device, 'xfs')).toBe(await deviceSizeBytes(device));
  });

  it('offline is refused in words', async () => {
    const { device } = await scratchDevice(SIZE.xfs);
    await make(device, 'xfs');
    await expect(growFilesystem(run, { device, type: 'xfs', mountedAt: undefined }, soon())).rejects.toThrow(
      /grows only while it is mounted/,
    );
  });

  it('names what xfs_growfs said', async () => {
    const { device, target } = await scratchDevice(SIZE.xfs);
    await expect(growFilesystem(run, { device, type: 'xfs', mountedAt: target }, soon())).rejects.toThrow(
      /BERTH_FILESYSTEM_GROW_FAILED: .*not a mounted XFS filesystem/,
    );
  });
});
