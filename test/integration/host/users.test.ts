/** Real holders: another mount namespace, a loop device, processes with the device by its own and by another name. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { deviceNumber } from '../../../src/host/device/block-device.js';
import { describeMountUsers } from '../../../src/host/mount/mount-users.js';
import { run } from '../../../src/host/process/exec.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { attachLoop, detachLoop } from '../../../src/dev/mapper/loop-device.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { describeUsers } from '../../../src/host/users/describe-users.js';
import { usersOfDevice } from '../../../src/host/users/find-users.js';
import { LET_GO_OF_OTHERS, MIB, scratchDevice, soon, sparseFile } from './scratch.js';

const ROOTS = { sys: '/sys', proc: '/proc' };
const users = async (device: string) => describeUsers(await usersOfDevice(device, { roots: ROOTS, deadline: soon() }));

/** A shell that runs `script`, says so, and stays until it is ended; its pid is that of what it becomes. */
async function holder(
  script: string,
  prefix: readonly string[] = [],
): Promise<{ pid: number; end: () => Promise<void> }> {
  const first = prefix.includes('--mount') ? LET_GO_OF_OTHERS : '';
  const [file, ...args] = [...prefix, 'sh', '-c', `${first}\n${script}\necho held; exec sleep 600`];
  const child: ChildProcess = spawn(file, args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  onTestFinished(end);
  const said = await Promise.race([once(child.stdout!, 'data').then(String), ended.then(() => 'ended')]);
  expect(said).toBe('held\n');
  // It says so before it becomes what it is named.
  const name = (): Promise<string> => readFile(`/proc/${child.pid!}/comm`, 'utf8');
  await expect.poll(name, { interval: 5 }).toBe('sleep\n');
  return { pid: child.pid!, end };
}

async function mounted() {
  const scratch = await scratchDevice(32 * MIB);
  const { device, target } = scratch;
  const uuid = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';
  await makeFilesystem(run, { device, type: 'ext4', uuid, options: [] }, soon());
  await mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
  return scratch;
}

describe('a device', () => {
  it('that is mounted in another mount namespace alone is named with the process that keeps that', async () => {
    const { device, target } = await mounted();
    const other = await holder('', ['unshare', '--mount', '--propagation', 'private']);
    await unmount(run, target, soon());
    expect(await mountAt(target)).toBeUndefined();
    expect(await users(device)).toBe(`mounted at ${target} in the mount namespace of sleep (pid ${other.pid})`);
    await other.end();
    expect(await users(device)).toBeUndefined();
  });

  it('that a process has open is named with it', async () => {
    const { device } = await scratchDevice(MIB);
    const other = await holder(`exec 3<${device}`);
    expect(await users(device)).toBe(`open in sleep (pid ${other.pid})`);
  });

  it('that a container has open by a name of its own is found by its number', async () => {
    const { device } = await scratchDevice(MIB);
    const [major = '', minor = ''] = (await deviceNumber(device)).split(':');
    const script = `mount -t tmpfs none /dev && mknod /dev/xvda b ${major} ${minor} && exec 3</dev/xvda`;
    const other = await holder(script, ['unshare', '--mount', '--propagation', 'private']);
    expect(await users(device)).toBe(`open in sleep (pid ${other.pid})`);
  });

  it('that a loop device stands on is named with that, and with what uses the loop device´s file', async () => {
    const { device, target } = await mounted();
    const onNode = await attachLoop(run, { file: device, readOnly: true }, soon());
    onTestFinished(() => detachLoop(run, onNode, soon()));
    const file = await sparseFile(path.join(target, 'disk.img'), MIB);
    const onFile = await attachLoop(run, { file, readOnly: false }, soon());
    onTestFinished(() => detachLoop(run, onFile, soon()));
    const who = await users(device);
    expect(who).toMatch(new RegExp(`^mounted at ${target}; held by `));
    for (const loop of [onNode, onFile]) expect(who).toMatch(new RegExp(`\\b${path.basename(loop)}\\b`));
    // The kernel holds the file for the loop device: umount says busy, and no process shows it.
    await expect(unmount(run, target, soon())).rejects.toThrow(new RegExp(`in use: held by ${path.basename(onFile)};`));
    await detachLoop(run, onFile, soon());
    await unmount(run, target, soon());
  });

  it('that nobody uses has no users', async () => {
    const { device } = await scratchDevice(MIB);
    expect(await users(device)).toBeUndefined();
  });
});

describe('a process in a cgroup of a pod', () => {
  it('is named with the pod', async () => {
    const { target } = await mounted();
    const pod = '6bd1c7a2-0f2e-4f7b-9d53-3c8a51f0e7aa';
    const mount = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2? \S+ .*$/m.exec(
      await readFile('/proc/self/mountinfo', 'utf8'),
    )?.[1];
    // A real cgroup as the cgroupfs driver names it, in whatever hierarchy this machine has.
    const top = path.join(mount ?? '/sys/fs/cgroup', `berth-test-${process.pid}`);
    const group = path.join(top, `pod${pod}`);
    await mkdir(group, { recursive: true });
    const other = await holder(`echo $$ >${group}/cgroup.procs && cd ${target}`);
    onTestFinished(async () => {
      await other.end();
      await run('rmdir', [group, top], { deadline: soon() });
    });
    expect(await describeMountUsers(target)).toBe(`open in sleep (pid ${other.pid}) of pod ${pod}`);
  });
});

describe('a look', () => {
  it('at a mount below and at our own process gives both', async () => {
    const { target } = await mounted();
    const below = path.join(target, 'below');
    await mkdir(below);
    await run('mount', ['-t', 'tmpfs', 'tmpfs', below], { deadline: soon() });
    const file = await open(path.join(target, 'open'), 'w');
    onTestFinished(() => file.close());
    expect(await describeMountUsers(target)).toMatch(
      new RegExp(`^mounted below it: ${below}; open in \\S+ \\(pid ${process.pid}\\)`),
    );
    await file.close();
    await unmount(run, below, soon());
    await unmount(run, target, soon());
  });
});
