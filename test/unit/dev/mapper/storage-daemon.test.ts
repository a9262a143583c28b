import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { StorageDaemon } from '../../../../src/dev/mapper/storage-daemon.js';
import { kernelFixture, type KernelFixture } from '../../rbd/mapping/kernel-fixture.js';

let kernel: KernelFixture;
const daemonIn = (stateDir: string): StorageDaemon =>
  new StorageDaemon({ exec: kernel.exec, stateDir, runtimeDir: '/run/berth', procRoot: kernel.roots.proc });

beforeEach(async () => {
  kernel = await kernelFixture();
});
afterEach(() => kernel.remove());

it('believes a pid only if that process is the daemon of this directory', async () => {
  const daemon = daemonIn(path.join(kernel.directory, 'a,b'));
  expect(await daemon.pid()).toBeUndefined();
  await kernel.write('a,b/daemon.pid', '77\n');
  expect(await daemon.pid()).toBeUndefined();
  const socket = daemon.socketPath.replace(',', ',,');
  const commandLine = (value: string) => ['/usr/bin/qemu-storage-daemon', '--chardev', value, ''].join('\0');
  await kernel.write('proc/77/cmdline', commandLine('socket,id=qmp,path=/elsewhere,server=on,wait=off'));
  expect(await daemon.pid()).toBeUndefined();
  await kernel.write('proc/77/cmdline', commandLine(`socket,id=qmp,path=${socket},server=on,wait=off`));
  expect(await daemon.pid()).toBe(77);
});

it('puts its socket into the runtime directory where the path would be too long, always at the same place', () => {
  const near = daemonIn(`/${'d'.repeat(97)}`);
  const far = daemonIn(`/${'d'.repeat(98)}`);
  expect(Buffer.byteLength(near.socketPath)).toBe(107);
  expect(far.socketPath).toMatch(/^\/run\/berth\/loop-[0-9a-f]{16}\/qmp\.sock$/);
  expect(daemonIn(`/${'d'.repeat(98)}`).socketPath).toBe(far.socketPath);
  expect(daemonIn(`/${'e'.repeat(98)}`).socketPath).not.toBe(far.socketPath);
});

it('tells a dead daemon from one that lives and does not answer', async () => {
  const daemon = daemonIn(kernel.directory);
  expect(await daemon.connect(Deadline.after(60_000))).toBeUndefined();
  await kernel.write('daemon.pid', '77\n');
  const chardev = `socket,id=qmp,path=${daemon.socketPath},server=on,wait=off`;
  await kernel.write('proc/77/cmdline', ['qemu-storage-daemon', chardev, ''].join('\0'));
  await expect(daemon.connect(Deadline.after(60_000))).rejects.toThrow('(pid 77)');
});

it('takes a daemon that goes away during the greeting for a dead one', async () => {
  const daemon = daemonIn(kernel.directory);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(daemon.socketPath, resolve));
  expect(await daemon.connect(Deadline.after(60_000))).toBeUndefined();
  await new Promise((resolve) => server.close(resolve));
});

it('does not start a second daemon while somebody holds the lock', async () => {
  const holder = spawn('flock', [path.join(kernel.directory, 'daemon.lock'), 'sleep', '30']);
  try {
    await expect.poll(() => kernel.read('daemon.lock').catch(() => undefined)).toBe('');
    await expect(daemonIn(kernel.directory).start(Deadline.after(300))).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
    });
    expect(await kernel.read('daemon.pid').catch(() => 'none')).toBe('none');
  } finally {
    holder.kill();
  }
});
