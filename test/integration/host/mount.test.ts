/** Real mounts: read-only where promised, busy where used, gone after an unmount, and only those asked for. */
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { bindMount, unmount } from '../../../src/host/mount/mount.js';
import { mountAt, readMounts } from '../../../src/host/mount/mountinfo.js';
import { UsageReader } from '../../../src/host/filesystem/filesystem-usage.js';
import { MIB, scratchDevice, scratchDirectory, soon } from './scratch.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c03';

async function mountedExt4() {
  const scratch = await scratchDevice(32 * MIB);
  const { device, target } = scratch;
  await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
  await mountFilesystem(run, { device, target, fsType: 'ext4', options: ['noatime'] }, soon());
  return scratch;
}

async function newDirectory(...parts: string[]): Promise<string> {
  const directory = path.join(...parts);
  await mkdir(directory);
  return directory;
}

describe('mountFilesystem', () => {
  it('mounts with the options asked for', async () => {
    const { device, target } = await mountedExt4();
    const mount = await mountAt(target);
    expect(mount).toMatchObject({ source: device, fsType: 'ext4', root: '/' });
    expect(mount?.options).toContain('noatime');
    const { bytes } = await new UsageReader(run).read(target, 'scratch', soon());
    expect(Number(bytes.total)).toBeGreaterThan(20 * MIB);
    expect(Number(bytes.total)).toBeLessThan(32 * MIB);
  });

  it('works on a path with spaces, quotes and a backslash', async () => {
    const { device, directory } = await scratchDevice(16 * MIB);
    await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
    const target = await newDirectory(directory, String.raw`a b "c" \d`);
    await mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
    expect((await mountAt(target))?.source).toBe(device);
    await unmount(run, target, soon());
    expect(await mountAt(target)).toBeUndefined();
  });

  it('blames a flag that the kernel does not know', async () => {
    const { device, directory } = await scratchDevice(16 * MIB);
    await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
    const target = await newDirectory(directory, 'flags');
    const failure = mountFilesystem(run, { device, target, fsType: 'ext4', options: ['nosuchflag=1'] }, soon());
    await expect(failure).rejects.toThrow(/BERTH_FIELD_INVALID: .*refuses ext4 with nosuchflag;/);
    expect(await mountAt(target)).toBeUndefined();
  });

  it('names a filesystem that is not there', async () => {
    const { device, target } = await scratchDevice(16 * MIB);
    const failure = mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
    await expect(failure).rejects.toThrow(
      /BERTH_MOUNT_REFUSED: the ext4 filesystem of .* cannot be mounted: there is no ext4 superblock on it/,
    );
    expect(await mountAt(target)).toBeUndefined();
  });
});

describe('bindMount', () => {
  it('shows the same files at a second place, writable or not', async () => {
    const { directory, target } = await mountedExt4();
    const [writable, readOnly] = [await newDirectory(directory, 'rw'), await newDirectory(directory, 'ro')];
    await bindMount(run, { source: target, target: writable, readOnly: false }, soon());
    await bindMount(run, { source: target, target: readOnly, readOnly: true }, soon());
    await writeFile(path.join(writable, 'file'), 'hello');
    expect(await readFile(path.join(readOnly, 'file'), 'utf8')).toBe('hello');
    await expect(writeFile(path.join(readOnly, 'file'), 'x')).rejects.toMatchObject({ code: 'EROFS' });
    expect((await mountAt(readOnly))?.options).toContain('ro');
    await writeFile(path.join(target, 'file'), 'the source stays writable');
  });

  it('puts a device node on a file', async () => {
    const { directory, device } = await scratchDevice(MIB);
    const target = path.join(directory, 'node');
    await writeFile(target, '');
    await bindMount(run, { source: device, target, readOnly: false }, soon());
    expect((await mountAt(target))?.root).toBe(`/${path.basename(device)}`);
    await unmount(run, target, soon());
  });

  it('leaves nothing behind when it fails', async () => {
    const directory = await scratchDirectory();
    const target = await newDirectory(directory, 't');
    await expect(bindMount(run, { source: '/berth/none', target, readOnly: true }, soon())).rejects.toMatchObject({
      code: 'BERTH_COMMAND_FAILED',
    });
    expect(await mountAt(target)).toBeUndefined();
  });

  it('takes a bind away again that could not be made read-only', async () => {
    const directory = await scratchDirectory();
    const [source, target] = [await newDirectory(directory, 's'), await newDirectory(directory, 't')];
    // A mount(8) that knows only the first of the two system calls, and whose remount fails.
    const halfDone: typeof run = (file, args, options) => {
      if (args.includes('remount,bind,ro')) return run('false', [], options);
      return run(file, args[0] === '--bind' ? ['--bind', ...args.slice(-3)] : args, options);
    };
    await expect(bindMount(halfDone, { source, target, readOnly: true }, soon())).rejects.toMatchObject({
      code: 'BERTH_COMMAND_FAILED',
    });
    expect(await mountAt(target)).toBeUndefined();
  });

  it('remounts where mount(8) left the bind writable', async () => {
    const directory = await scratchDirectory();
    const [source, target] = [await newDirectory(directory, 's'), await newDirectory(directory, 't')];
    const old: typeof run = (file, args, options) =>
      run(file, args[0] === '--bind' ? ['--bind', ...args.slice(-3)] : args, options);
    await bindMount(old, { source, target, readOnly: true }, soon());
    await expect(writeFile(path.join(target, 'x'), '')).rejects.toMatchObject({ code: 'EROFS' });
  });
});

describe('unmount', () => {
  it('takes one mount of several on the same path, the top one', async () => {
    const directory = await scratchDirectory();
    const [source, target] = [await newDirectory(directory, 's'), await newDirectory(directory, 't')];
    for (let n = 0; n < 2; n += 1) await bindMount(run, { source, target, readOnly: false }, soon());
    const both = (await readMounts()).filter((mount) => mount.target === target);
    await unmount(run, target, soon());
    expect((await readMounts()).filter((mount) => mount.target === target)).toEqual([both[0]]);
    await unmount(run, target, soon());
    await unmount(run, target, soon());
    expect(await mountAt(target)).toBeUndefined();
  });

  it('names the process that keeps a mount busy, and leaves the mount', async () => {
    const { target } = await mountedExt4();
    const file = await open(path.join(target, 'open'), 'w');
    onTestFinished(() => file.close());
    await expect(unmount(run, target, soon())).rejects.toThrow(
      new RegExp(
        `BERTH_UNMOUNT_BUSY: ${target} cannot be unmounted, it is in use: open in \\S+ \\(pid ${process.pid}\\)`,
      ),
    );
    expect(await mountAt(target)).toBeDefined();
    await file.close();
    await unmount(run, target, soon());
  });

  it('names a mount below the one it was asked for, and takes neither', async () => {
    const { target } = await mountedExt4();
    const below = await newDirectory(target, 'below');
    await run('mount', ['-t', 'tmpfs', 'tmpfs', below], { deadline: soon() });
    await expect(unmount(run, target, soon())).rejects.toThrow(`mounted below it: ${below}`);
    expect(await mountAt(below)).toBeDefined();
  });
});
