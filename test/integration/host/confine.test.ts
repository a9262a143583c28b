/** Tools that parse what a guest wrote: no privileges, one device, little memory, and nobody else's volume kept. */
import path from 'node:path';
import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { runningChildren } from '../../../src/host/process/children.js';
import { toolNamespace } from '../../../src/host/process/confine/tool-namespace.js';
import { run, type Exec } from '../../../src/host/process/exec.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { probeDevice } from '../../../src/host/filesystem/probe-device.js';
import { xfsUuid } from '../../../src/host/filesystem/xfs-uuid.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { packageRoot } from '../../../src/model/package-root.js';
import { MIB, scratchDevice, soon } from './scratch.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c09';
const within = (device: string, more: { writable?: boolean; memoryBytes?: number } = {}) => ({
  deadline: soon(),
  confine: { device, writable: false, ...more },
});
const script = async (device: string, text: string, writable = false): Promise<string> =>
  (await run('sh', ['-c', text], within(device, { writable }))).stdout;

it('a confined tool is nobody, without a capability, and sees one device and no mount of this machine', async () => {
  expect(await toolNamespace()).toBeDefined();
  const { device } = await scratchDevice(MIB);
  const other = await scratchDevice(MIB);
  const says = await script(device, `id -u; ls /dev; ls /proc /sys; [ -e ${other.device} ] || echo no other`);
  const [uid, ...seen] = says.split('\n').filter((line) => line !== '');
  expect(Number(uid)).toBeGreaterThan(0x6000_0000 - 1);
  expect(seen).toEqual([path.basename(device), 'null', '/proc:', '/sys:', 'no other']);
  // Nothing of /proc is there to ask: whoever has a capability could mount it.
  await expect(script(device, 'mount -t tmpfs none /proc')).rejects.toThrow(/must be superuser|permission denied/i);
  await expect(script(device, 'mknod /tmp/berth-null c 1 3')).rejects.toThrow(/not permitted/);
  await expect(script(device, 'kill -0 1')).rejects.toThrow(/not permitted/i);
});

it('it reads its device, and writes to it only where it is to', async () => {
  const { device, file } = await scratchDevice(MIB);
  await expect(script(device, `echo x > ${device}`)).rejects.toThrow(/Permission denied/);
  await script(device, `echo written > ${device}`, true);
  expect(await script(device, `head -c 7 ${device}`)).toBe('written');
  await run('sync', [file], { deadline: soon() });
});

it('blkid, e2fsck and resize2fs work confined', async () => {
  const { device, file } = await scratchDevice(32 * MIB);
  await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
  expect(await probeDevice(run, device, soon())).toMatchObject({ type: 'ext4', uuid: UUID });
  await run('truncate', ['--size', String(64 * MIB), file], { deadline: soon() });
  await run('losetup', ['--set-capacity', device], { deadline: soon() });
  for (const [tool, ...args] of [['e2fsck', '-f', '-p'], ['resize2fs'], ['e2fsck', '-f', '-p']] as const) {
    await run(tool, [...args, device], within(device, { writable: true }));
  }
});

it('a copied xfs gets its own uuid by confined tools, also where that was begun before', async () => {
  const { device, target } = await scratchDevice(320 * MIB);
  await makeFilesystem(run, { device, type: 'xfs', uuid: UUID, options: [] }, soon());
  const confines = new Map<string, unknown>();
  const seeing: Exec = (file, args, options) => {
    confines.set(file, options.confine);
    return run(file, args, options);
  };
  const mount = { device, target, fsType: 'xfs', options: [] } as const;
  for (const [wasBegun, uuid] of [
    [false, '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c11'],
    [true, '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c12'],
  ] as const) {
    expect(await xfsUuid.set(seeing, { device, uuid, wasBegun }, soon())).toBe(true);
    await mountFilesystem(run, mount, soon());
    // The tools do not see it: it is asked before.
    expect(await xfsUuid.set(seeing, { device, uuid: UUID, wasBegun }, soon())).toBe(false);
    await unmount(run, target, soon());
    expect(await probeDevice(run, device, soon())).toMatchObject({ type: 'xfs', uuid });
  }
  for (const tool of ['xfs_db', 'xfs_repair']) expect(confines.get(tool)).toMatchObject({ device, writable: true });
});

it('more memory than it may have is refused to it', async () => {
  const { device } = await scratchDevice(MIB);
  const greedy = (memoryBytes: number) =>
    run('dd', ['if=/dev/null', 'of=/dev/null', 'bs=300M', 'count=1'], within(device, { memoryBytes }));
  await greedy(512 * MIB);
  await expect(greedy(64 * MIB)).rejects.toThrow(/memory exhausted/);
});

it('while it works, another volume is unmounted and its device is free', async () => {
  const { device } = await scratchDevice(MIB);
  const other = await scratchDevice(16 * MIB);
  await makeFilesystem(run, { device: other.device, type: 'ext4', uuid: UUID, options: [] }, soon());
  await mountFilesystem(run, { device: other.device, target: other.target, fsType: 'ext4', options: [] }, soon());
  const working = run('sh', ['-c', 'echo begun >&3; sleep 60'], {
    ...within(device),
    work: { progress: (line) => line },
  });
  const failure = expect(working).rejects.toThrow(/SIGKILL/);
  const child = () => runningChildren().find(({ progress }) => progress === 'begun');
  await expect.poll(child).toBeDefined();
  await unmount(run, other.target, soon());
  // It opens the device exclusively: EBUSY while any mount namespace has it mounted.
  await run('e2fsck', ['-p', other.device], { deadline: soon() });
  process.kill(-(child()?.pid ?? 0), 'SIGKILL');
  await failure;
});

it('it dies with the driver', async () => {
  const { device } = await scratchDevice(MIB);
  const program = path.join(packageRoot(), 'test/fixtures/parents/confines.mjs');
  const parent = spawn(process.execPath, [program, device, 'sh', '-c', 'exec sleep 77.7']);
  const asleep = async (): Promise<string> =>
    (await run('pgrep', ['-f', '^sleep 77.7$'], { deadline: soon(), okCodes: [0, 1] })).stdout;
  await expect.poll(asleep).not.toBe('');
  parent.kill('SIGKILL');
  await expect.poll(asleep).toBe('');
});
