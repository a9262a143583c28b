/** Real loop devices: attached once, detached really, and never behind somebody's back. */
import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  deviceNumber,
  deviceSizeBytes,
  isDeviceReadOnly,
  setDeviceReadOnly,
  waitForDevice,
} from '../../../src/host/device/block-device.js';
import { run } from '../../../src/host/process/exec.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { attachLoop, detachLoop, findLoops, refreshLoop } from '../../../src/dev/mapper/loop-device.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { Deadline } from '../../../src/model/deadline.js';
import { MIB, scratchDevice, scratchDirectory, soon, sparseFile } from './scratch.js';

const loopOf = async (file: string) => (await findLoops()).find((loop) => loop.file === file);

describe('attachLoop', () => {
  it('makes a block device of a file', async () => {
    const { device, file } = await scratchDevice(8 * MIB);
    expect(await loopOf(file)).toEqual({ device, file, readOnly: false, deleted: false });
    expect(await deviceSizeBytes(device)).toBe(BigInt(8 * MIB));
    expect(await isDeviceReadOnly(device)).toBe(false);
    await waitForDevice(device, await deviceNumber(device), soon());
  });

  it('makes one that refuses writes', async () => {
    const directory = await scratchDirectory();
    const file = await sparseFile(path.join(directory, 'image'), 8 * MIB);
    const device = await attachLoop(run, { file, readOnly: true }, soon());
    expect(await isDeviceReadOnly(device)).toBe(true);
    expect((await loopOf(file))?.readOnly).toBe(true);
  });

  it('gives each of eight callers at once a device of its own', async () => {
    const directory = await scratchDirectory();
    const names = Array.from({ length: 8 }, (_, n) => path.join(directory, `image${n}`));
    const files = await Promise.all(names.map((name) => sparseFile(name, MIB)));
    const devices = await Promise.all(files.map((file) => attachLoop(run, { file, readOnly: false }, soon())));
    expect(new Set(devices).size).toBe(8);
    for (const [n, file] of files.entries()) expect((await loopOf(file))?.device).toBe(devices[n]);
  });

  it('works where the file cannot be opened for direct I/O', async () => {
    const directory = await scratchDirectory();
    const memory = path.join(directory, 'ramfs');
    await run('mount', ['-t', 'ramfs', '--mkdir', 'ramfs', memory], { deadline: soon() });
    const file = await sparseFile(path.join(memory, 'image'), MIB);
    const device = await attachLoop(run, { file, readOnly: false }, soon());
    expect((await loopOf(file))?.device).toBe(device);
    await detachLoop(run, device, soon());
  });

  it('says what is wrong with a file that is not there', async () => {
    const missing = attachLoop(run, { file: '/berth/none', readOnly: false }, soon());
    await expect(missing).rejects.toThrow(/BERTH_COMMAND_FAILED: .*No such file/);
  });
});

describe('findLoops', () => {
  it('knows a device whose file was deleted', async () => {
    const { device, file } = await scratchDevice(MIB);
    await unlink(file);
    expect(await loopOf(file)).toMatchObject({ device, deleted: true });
    await detachLoop(run, device, soon());
  });
});

describe('detachLoop', () => {
  it('frees the device, and is content when it is free', async () => {
    const { device, file } = await scratchDevice(MIB);
    await detachLoop(run, device, soon());
    expect(await loopOf(file)).toBeUndefined();
    await detachLoop(run, device, soon());
  });

  it('refuses a mounted device and leaves it usable', async () => {
    const { device, file, target } = await scratchDevice(16 * MIB);
    const uuid = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c02';
    await makeFilesystem(run, { device, type: 'ext4', uuid, options: [] }, soon());
    await mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
    await expect(detachLoop(run, device, soon())).rejects.toThrow(
      `BERTH_DEVICE_BUSY: ${device} is busy: it is mounted`,
    );
    await unmount(run, target, soon());
    // Had the refused detach reached the kernel, the device would have gone with the mount.
    expect((await loopOf(file))?.device).toBe(device);
    await detachLoop(run, device, soon());
  });

  it('does not call a device free that a process holds open', async () => {
    const { device, file } = await scratchDevice(MIB);
    const holder = await open(device);
    onTestFinished(() => holder.close());
    await expect(detachLoop(run, device, soon())).rejects.toMatchObject({ code: 'BERTH_DEVICE_BUSY' });
    expect((await loopOf(file))?.device).toBe(device);
    await holder.close();
    await expect.poll(() => loopOf(file)).toBeUndefined();
  });
});

describe('a loop device', () => {
  it("takes its file's new size when told", async () => {
    const { device, file } = await scratchDevice(4 * MIB);
    await run('truncate', ['--size', String(12 * MIB), file], { deadline: soon() });
    expect(await deviceSizeBytes(device)).toBe(BigInt(4 * MIB));
    await refreshLoop(run, device, soon());
    expect(await deviceSizeBytes(device)).toBe(BigInt(12 * MIB));
  });

  it('refuses writes once it is set read-only, and takes them again', async () => {
    const { device } = await scratchDevice(MIB);
    const write = async () => {
      const handle = await open(device, constants.O_WRONLY | constants.O_SYNC);
      await handle.write(Buffer.alloc(4096, 1)).finally(() => handle.close());
    };
    onTestFinished(() => setDeviceReadOnly(run, device, false, soon()));
    await setDeviceReadOnly(run, device, true, soon());
    expect(await isDeviceReadOnly(device)).toBe(true);
    await expect(write()).rejects.toThrow();
    await setDeviceReadOnly(run, device, false, soon());
    await write();
  });

  it('does not hand on to the next file that it was set read-only', async () => {
    const { device, file } = await scratchDevice(MIB);
    onTestFinished(() => setDeviceReadOnly(run, device, false, soon()));
    await setDeviceReadOnly(run, device, true, soon());
    await detachLoop(run, device, soon());
    // The lowest free number is given out first: most likely, not surely, the same device.
    const next = await attachLoop(run, { file, readOnly: false }, soon());
    expect(await isDeviceReadOnly(next)).toBe(false);
  });

  it('is not taken for another one while waiting', async () => {
    const { device } = await scratchDevice(MIB);
    await expect(waitForDevice(device, '252:99', Deadline.after(80))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });
});
