/** What reaches mount(8) and umount(8), and what never does. */
import { describe, expect, it } from 'vitest';
import { mountFilesystem } from '../../../../src/host/mount/mount-filesystem.js';
import { unmount } from '../../../../src/host/mount/mount.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { scriptedExec } from '../../../fakes/scripted-exec.js';

const deadline = Deadline.after(60_000);
const mount = { device: '/dev/rbd0', target: '/t', fsType: 'ext4', options: [] as string[] };

describe('mountFilesystem', () => {
  it('names type, options, device and target, each as its own argument', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    await mountFilesystem(exec, { ...mount, options: ['noatime', 'discard'] }, deadline);
    await mountFilesystem(exec, mount, deadline);
    expect(calls).toEqual(['mount -t ext4 -o noatime,discard -- /dev/rbd0 /t', 'mount -t ext4 -- /dev/rbd0 /t']);
  });

  it('runs nothing for a flag that would mount something else', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    await expect(mountFilesystem(exec, { ...mount, options: ['bind'] }, deadline)).rejects.toMatchObject({
      code: 'BERTH_FIELD_INVALID',
    });
    expect(calls).toEqual([]);
  });

  it('calls a filesystem damaged that the kernel calls so', async () => {
    const stderr = 'mount: /t: mount(2) system call failed: Structure needs cleaning.';
    const { exec } = scriptedExec(() => ({ exitCode: 32, stderr }));
    await expect(mountFilesystem(exec, { ...mount, fsType: 'xfs' }, deadline)).rejects.toMatchObject({
      code: 'BERTH_FILESYSTEM_DAMAGED',
    });
  });

  it('reports other failures with what mount said, on one line', async () => {
    const { exec } = scriptedExec(() => ({ exitCode: 32, stderr: 'mount: /t: no such device;\n   see dmesg' }));
    await expect(mountFilesystem(exec, mount, deadline)).rejects.toThrow(
      /BERTH_COMMAND_FAILED: mount failed \(exit code 32\): mount: \/t: no such device; see dmesg/,
    );
  });

  const EINVAL = { exitCode: 32, stderr: 'mount: /t: wrong fs type, bad option, bad superblock on /dev/rbd0' };

  it('blames the flags that were asked for, by name only, where the mount works without them', async () => {
    const { exec, calls } = scriptedExec((command) => (command.startsWith('mount ') ? EINVAL : {}));
    const asked = mountFilesystem(exec, { ...mount, options: ['fast=secret,noatime'], always: ['ro'] }, deadline);
    await expect(asked).rejects.toThrow(/BERTH_FIELD_INVALID: .*refuses ext4 with fast, noatime;/);
    expect(calls.at(-1)).toBe('unshare --mount -- mount -t ext4 -o ro -- /dev/rbd0 /t');
  });

  it('says what mount and kernel said where it does not work without the flags either', async () => {
    const { exec } = scriptedExec((command) =>
      command.startsWith('dmesg') ? { stdout: '[9999999999.0] EXT4-fs (rbd0): no journal found' } : EINVAL,
    );
    const asked = mountFilesystem(exec, { ...mount, options: ['noatime'] }, deadline);
    await expect(asked).rejects.toThrow(/BERTH_MOUNT_REFUSED: .*bad superblock.*\(kernel: no journal found\)/);
  });

  it('tries nothing where no flags were given, or where they leave a journal as it is', async () => {
    for (const options of [[], ['noload,noatime']]) {
      const { exec, calls } = scriptedExec(() => EINVAL);
      await expect(mountFilesystem(exec, { ...mount, options, always: ['ro'] }, deadline)).rejects.toThrow(
        /BERTH_MOUNT_REFUSED/,
      );
      expect(calls.filter((one) => one.startsWith('unshare'))).toEqual([]);
    }
  });

  it('asks a reader to have the journal applied where the device takes no writes', async () => {
    const stderr = 'mount: /t: cannot mount /dev/rbd0 read-only.';
    const { exec } = scriptedExec(() => ({ exitCode: 32, stderr }));
    const asked = mountFilesystem(exec, { ...mount, fsType: 'xfs', always: ['ro', 'nouuid'] }, deadline);
    await expect(asked).rejects.toThrow(/BERTH_REPLAY_NEEDED: the xfs filesystem of \/dev\/rbd0 .*ReadWriteOnce/);
  });

  it('names who has the device where it is busy', async () => {
    const stderr = 'mount: /t: /dev/rbd0 already mounted or mount point busy.';
    const { exec } = scriptedExec(() => ({ exitCode: 32, stderr }));
    await expect(mountFilesystem(exec, mount, deadline)).rejects.toThrow(/BERTH_DEVICE_BUSY: \/dev\/rbd0 is busy: /);
  });
});

describe('unmount', () => {
  it('runs nothing where nothing is mounted', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    await unmount(exec, '/berth/nothing/here', deadline);
    expect(calls).toEqual([]);
  });

  it('is neither lazy nor recursive, and does not look at the target', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    await unmount(exec, '/proc', deadline);
    expect(calls).toEqual(['umount --no-canonicalize -- /proc']);
  });

  it('says who uses a busy mount', async () => {
    const { exec } = scriptedExec(() => ({ exitCode: 32, stderr: 'umount: /: target is busy.' }));
    await expect(unmount(exec, '/', deadline)).rejects.toThrow(/BERTH_UNMOUNT_BUSY: .*mounted below it: .*\/proc/);
  });

  it('does not believe "not mounted" while the kernel shows the mount', async () => {
    const { exec } = scriptedExec(() => ({ exitCode: 32, stderr: 'umount: /proc: not mounted.' }));
    await expect(unmount(exec, '/proc', deadline)).rejects.toMatchObject({ code: 'BERTH_COMMAND_FAILED' });
  });
});
