import { mkdir, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import {
  describeUsers,
  deviceUsers,
  lastingUsers,
  passingMs,
  usersOfDead,
} from '../../../../src/rbd/mapping/device-users.js';
import { kernelFixture, type KernelFixture } from './kernel-fixture.js';

let kernel: KernelFixture;
const users = () => deviceUsers('/dev/rbd1', kernel.roots);

/** A process in mount namespace `namespace` that has `open` open. */
async function runs(pid: number, comm: string, namespace: string, open: readonly string[] = []): Promise<void> {
  const directory = path.join(kernel.roots.proc, String(pid));
  await mkdir(path.join(directory, 'fd'), { recursive: true });
  await mkdir(path.join(directory, 'ns'), { recursive: true });
  await symlink(namespace, path.join(directory, 'ns/mnt'));
  for (const [number, file] of open.entries()) await symlink(file, path.join(directory, 'fd', String(number)));
  await kernel.write(`proc/${pid}/comm`, `${comm}\n`);
}

beforeEach(async () => {
  kernel = await kernelFixture();
  await kernel.write('sys/class/block/rbd1/dev', '252:16\n');
  await kernel.write('sys/class/block/rbd1/rbd1p1/dev', '252:17\n');
  await mkdir(path.join(kernel.roots.proc, 'self/ns'), { recursive: true });
  await symlink('mnt:[1]', path.join(kernel.roots.proc, 'self/ns/mnt'));
});
afterEach(() => kernel.remove());

describe('deviceUsers', () => {
  it('finds nobody where there is nobody', async () => {
    await runs(1, 'init', 'mnt:[1]', ['/dev/rbd11', '/dev/null', 'pipe:[7]']);
    expect(describeUsers(await users())).toBeUndefined();
  });

  it('finds mounts of the device, of its partitions and of its node, not of others', async () => {
    const lines = [
      '36 25 252:16 / /mnt/whole rw - ext4 /dev/rbd1 rw',
      '37 25 252:17 / /mnt/part rw - ext4 /dev/rbd1p1 rw',
      '38 25 0:5 /rbd1 /pods/block rw - devtmpfs udev rw',
      '39 25 252:160 / /mnt/other rw - ext4 /dev/rbd10 rw',
      '40 25 0:5 /rbd10 /pods/other rw - devtmpfs udev rw',
      '41 25 0:44 /rbd1 /tmp/rbd1 rw - tmpfs tmpfs rw',
    ];
    await kernel.write('proc/self/mountinfo', lines.join('\n'));
    expect((await users()).mounts.map(({ target }) => target)).toEqual(['/mnt/whole', '/mnt/part', '/pods/block']);
  });

  it('finds a mount that only another mount namespace has', async () => {
    await runs(50, 'cadvisor', 'mnt:[2]');
    await kernel.write('proc/50/mountinfo', '36 25 252:16 / /rootfs/mnt rw - ext4 /dev/rbd1 rw\n');
    expect(describeUsers(await users())).toBe('mounted at /rootfs/mnt in the mount namespace of cadvisor (pid 50)');
  });

  it('finds holders and the processes that have it open', async () => {
    await kernel.write('sys/class/block/rbd1/holders/dm-0', '');
    await runs(60, 'qemu-system-x86', 'mnt:[1]', ['/dev/null', '/dev/rbd1']);
    expect(describeUsers(await users())).toBe('held by dm-0; open in qemu-system-x86 (pid 60), a virtual machine');
  });
});

describe('usersOfDead', () => {
  it('does not count udev, whose look at a dead device does not end', async () => {
    await runs(60, 'systemd-udevd', 'mnt:[1]', ['/dev/rbd1']);
    expect(await usersOfDead('/dev/rbd1', kernel.roots, Deadline.after(60_000))).toBeUndefined();
    await runs(61, 'qemu', 'mnt:[1]', ['/dev/rbd1']);
    expect(await usersOfDead('/dev/rbd1', kernel.roots, Deadline.after(60_000))).toBe('open in qemu (pid 61)');
  });
});

describe('users that may pass', () => {
  const found = (...names: string[]) => ({
    ...{ mounts: [], devicesOnTop: [], cut: false },
    processes: names.map((name, pid) => ({ pid, name })),
  });

  it('are waited for longer where they are udev, which always leaves, and not at all where one stays', () => {
    const udev = passingMs(found('(udev-worker)', '(udev-synth)', 'systemd-udevd'));
    expect(udev).toBeGreaterThan(passingMs(found('(udev-worker)', 'blkid')));
    expect(passingMs(found('blkid'))).toBeGreaterThan(0);
    // The kernel says busy, and whoever it is has gone or cannot be seen.
    expect(passingMs(found())).toBe(passingMs(found('blkid')));
    expect(passingMs({ ...found('(udev-worker)'), mounts: [{ target: '/mnt' }] })).toBe(0);
    expect(passingMs({ ...found('(udev-worker)'), devicesOnTop: ['dm-0'] })).toBe(0);
  });
});

describe('lastingUsers', () => {
  it('does not take a look that was cut short for a free device', async () => {
    await runs(60, 'sh', 'mnt:[1]');
    expect(await lastingUsers('/dev/rbd1', kernel.roots, Deadline.after(0))).toMatch(/could not be looked for/);
  });

  it('waits for a process that only looks', async () => {
    await runs(60, 'blkid', 'mnt:[1]', ['/dev/rbd1']);
    setTimeout(() => void remove(60), 150);
    expect(await lastingUsers('/dev/rbd1', kernel.roots, Deadline.after(60_000))).toBeUndefined();
  });

  it('waits for a mount in another namespace: a container that starts has copies of all for a moment', async () => {
    await runs(61, 'runc', 'mnt:[2]', []);
    await kernel.write('proc/61/mountinfo', '36 25 252:16 / /old/mnt rw - ext4 /dev/rbd1 rw\n');
    setTimeout(() => void remove(61), 150);
    expect(await lastingUsers('/dev/rbd1', kernel.roots, Deadline.after(60_000))).toBeUndefined();
  });

  it('reports a mount at once, and a process that stays by the deadline', async () => {
    await runs(60, 'qemu', 'mnt:[1]', ['/dev/rbd1']);
    expect(await lastingUsers('/dev/rbd1', kernel.roots, Deadline.after(1_000))).toBe('open in qemu (pid 60)');
    await kernel.write('proc/self/mountinfo', '36 25 252:16 / /mnt rw - ext4 /dev/rbd1 rw\n');
    expect(await lastingUsers('/dev/rbd1', kernel.roots, Deadline.after(60_000))).toBe(
      'mounted at /mnt; open in qemu (pid 60)',
    );
  });
});

async function remove(pid: number): Promise<void> {
  await rm(path.join(kernel.roots.proc, String(pid)), { recursive: true });
}
