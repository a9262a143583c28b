/** The one finder on a kernel made of files: device trees, loop files, pods, and a look that is cut short. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeUsers } from '../../../../src/host/users/describe-users.js';
import { usersOfDevice, usersOfDirectory } from '../../../../src/host/users/find-users.js';
import { Deadline } from '../../../../src/model/deadline.js';

const POD = '6bd1c7a2-0f2e-4f7b-9d53-3c8a51f0e7aa';
const ID = 'ab'.repeat(32);
let root: string;
const look = (ms = 60_000) => ({
  roots: { sys: path.join(root, 'sys'), proc: path.join(root, 'proc') },
  deadline: Deadline.after(ms),
});

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await writeFile(path.join(root, file), text);
}

interface Process {
  readonly comm?: string;
  readonly namespace?: string;
  readonly open?: readonly string[];
  readonly cwd?: string;
  readonly cgroup?: string;
  readonly mounts?: string;
}

async function runs(pid: number, { comm = 'sh', namespace = 'mnt:[1]', open = [], cwd = '/', ...more }: Process) {
  const directory = path.join(root, 'proc', String(pid));
  await mkdir(path.join(directory, 'fd'), { recursive: true });
  await mkdir(path.join(directory, 'ns'), { recursive: true });
  await symlink(namespace, path.join(directory, 'ns/mnt'));
  await symlink(cwd, path.join(directory, 'cwd'));
  for (const [number, file] of open.entries()) await symlink(file, path.join(directory, 'fd', String(number)));
  await write(`proc/${pid}/comm`, `${comm}\n`);
  await write(`proc/${pid}/cgroup`, more.cgroup ?? '0::/\n');
  await write(`proc/${pid}/mountinfo`, more.mounts ?? '');
}

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-users-'));
  await mkdir(path.join(root, 'proc/self/ns'), { recursive: true });
  await symlink('mnt:[1]', path.join(root, 'proc/self/ns/mnt'));
  await write('proc/self/mountinfo', '');
  await write('sys/class/block/rbd1/dev', '252:16\n');
});
afterEach(() => rm(root, { recursive: true }));

describe('usersOfDevice', () => {
  it('names the pod of a process by its cgroup, and that of a mount namespace by its own mounts', async () => {
    const hosts = `701 700 8:1 /var/lib/kubelet/pods/${POD}/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw`;
    await runs(80, {
      ...{ comm: 'cadvisor', namespace: 'mnt:[2]' },
      mounts: `${hosts}\n702 700 252:16 / /rootfs/staging rw - ext4 /dev/rbd1 rw\n`,
    });
    await runs(81, { comm: 'dd', open: ['/dev/rbd1'], cgroup: `0::/kubepods/burstable/pod${POD}/${ID}\n` });
    expect(describeUsers(await usersOfDevice('/dev/rbd1', look()))).toBe(
      `mounted at /rootfs/staging in the mount namespace of cadvisor (pid 80) of pod ${POD}; ` +
        `open in dd (pid 81) of pod ${POD}`,
    );
  });

  it('names a container that is of no pod, and tells a virtual machine', async () => {
    await runs(90, { comm: 'cloud-hyperviso', open: ['/dev/rbd1'], cgroup: `0::/kata_overhead/${ID}\n` });
    expect(describeUsers(await usersOfDevice('/dev/rbd1', look()))).toBe(
      'open in cloud-hyperviso (pid 90), a virtual machine of container abababababab',
    );
  });

  it('finds who uses a device that stands on it', async () => {
    await write('sys/class/block/rbd1/holders/dm-0', '');
    await write('sys/class/block/dm-0/dev', '253:0\n');
    await write('sys/class/block/dm-0/dm/name', 'vault\n');
    await write('proc/self/mountinfo', '36 25 253:0 / /mnt/vault rw - xfs /dev/mapper/vault rw\n');
    await runs(70, { comm: 'mkfs.xfs', open: ['/dev/mapper/vault'] });
    expect(describeUsers(await usersOfDevice('/dev/rbd1', look()))).toBe(
      'mounted at /mnt/vault; held by dm-0 (vault); open in mkfs.xfs (pid 70)',
    );
  });

  it('finds a loop device on its node, on a bind mount of the node, and on a file of its filesystem', async () => {
    await write('sys/block/loop1/loop/backing_file', '/dev/rbd1\n');
    await write('sys/block/loop2/loop/backing_file', '/plugins/volumeDevices/pvc/dev/node\n');
    await write('sys/block/loop3/loop/backing_file', '/staging/disk.img (deleted)\n');
    await write('sys/block/loop4/loop/backing_file', '/other/disk.img\n');
    await write(
      'proc/self/mountinfo',
      [
        '36 25 0:5 /rbd1 /plugins/volumeDevices/pvc/dev/node rw - devtmpfs udev rw',
        '37 25 252:16 / /staging rw - ext4 /dev/rbd1 rw',
      ].join('\n'),
    );
    expect((await usersOfDevice('/dev/rbd1', look())).devicesOnTop).toEqual(['loop1', 'loop2', 'loop3']);
  });

  it('is the sentence of five and the number of the others where a mount has many copies', async () => {
    for (let pid = 100; pid < 108; pid += 1) {
      const mounts = '702 700 252:16 / /copy rw - ext4 /dev/rbd1 rw\n';
      await runs(pid, { namespace: `mnt:[${pid}]`, mounts });
    }
    expect(describeUsers(await usersOfDevice('/dev/rbd1', look()))).toMatch(/(\/copy in [^,]*, ){4}.* and 3 more$/);
  });

  it('says when there was no time to look at everybody, and still names its own mounts', async () => {
    await runs(70, { open: ['/dev/rbd1'] });
    await write('proc/self/mountinfo', '36 25 252:16 / /mnt rw - ext4 /dev/rbd1 rw\n');
    const users = await usersOfDevice('/dev/rbd1', look(0));
    expect(users).toMatchObject({ cut: true, processes: [] });
    expect(describeUsers(users)).toMatch(/^mounted at \/mnt; and perhaps others/);
  });

  it('passes over the process that serves the device', async () => {
    await runs(70, { open: ['/dev/rbd1'] });
    expect((await usersOfDevice('/dev/rbd1', { ...look(), except: [70] })).processes).toEqual([]);
  });
});

describe('usersOfDirectory', () => {
  it('finds mounts below, loop files and processes, by the whole name', async () => {
    await write(
      'proc/self/mountinfo',
      '36 25 0:50 / /mnt/a/below rw - tmpfs tmpfs rw\n37 25 0:51 / /mnt/ab rw - tmpfs t rw\n',
    );
    await write('sys/block/loop3/loop/backing_file', '/mnt/a/disk.img\n');
    await runs(70, { comm: 'vi', open: ['/mnt/a/file'] });
    await runs(71, { comm: 'bash', cwd: '/mnt/a' });
    await runs(72, { open: ['/mnt/ab/file'], cwd: '/mnt' });
    expect(await usersOfDirectory('/mnt/a', look())).toEqual({
      mounts: [{ target: '/mnt/a/below' }],
      devicesOnTop: ['loop3'],
      processes: [
        { pid: 71, name: 'bash' },
        { pid: 70, name: 'vi' },
      ],
      cut: false,
    });
  });
});
