/** Loop devices as sysfs shows them, and what losetup says when it does not get one. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attachLoop, findLoops, saysNoDirectIo, saysTaken } from '../../../../src/dev/mapper/loop-device.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { scriptedExec } from '../../../fakes/scripted-exec.js';

const TAKEN = 'losetup: /i.img: failed to set up loop device: Device or resource busy';
const NO_DIRECT_IO = 'losetup: /i.img: failed to set up loop device: Invalid argument';

describe('findLoops', () => {
  let sysfs = '';
  beforeEach(async () => {
    sysfs = await mkdtemp(path.join(tmpdir(), 'berth-sysfs-'));
  });
  afterEach(() => rm(sysfs, { recursive: true }));

  const loop = async (name: string, backingFile: string, ro = '0\n') => {
    await mkdir(path.join(sysfs, name, 'loop'), { recursive: true });
    await writeFile(path.join(sysfs, name, 'loop/backing_file'), backingFile);
    await writeFile(path.join(sysfs, name, 'ro'), ro);
  };

  it('lists devices that have a file, with its path as it is', async () => {
    await loop('loop0', '/var/lib/a b.img\n');
    await loop('loop12', '/i.img\n', '1\n');
    await mkdir(path.join(sysfs, 'loop1'));
    await mkdir(path.join(sysfs, 'vda'));
    const loops = [...(await findLoops(sysfs))].sort((a, b) => a.device.localeCompare(b.device));
    expect(loops).toEqual([
      { device: '/dev/loop0', file: '/var/lib/a b.img', readOnly: false, deleted: false },
      { device: '/dev/loop12', file: '/i.img', readOnly: true, deleted: false },
    ]);
  });

  it('tells a file that has no name any more', async () => {
    await loop('loop0', '/i.img (deleted)\n');
    expect(await findLoops(sysfs)).toMatchObject([{ file: '/i.img', deleted: true }]);
  });
});

describe('attachLoop', () => {
  const attach = (exec: Parameters<typeof attachLoop>[0], readOnly = false) =>
    attachLoop(exec, { file: '/i.img', readOnly }, Deadline.after(60_000));

  it('asks again when another process was quicker', async () => {
    const { exec, calls } = scriptedExec(() =>
      calls.length < 3 ? { exitCode: 1, stderr: TAKEN } : { stdout: '/dev/loop4\n' },
    );
    expect(await attach(exec)).toBe('/dev/loop4');
    expect(calls).toHaveLength(3);
  });

  it('gives up after some attempts', async () => {
    const { exec, calls } = scriptedExec(() => ({ exitCode: 1, stderr: TAKEN }));
    await expect(attach(exec)).rejects.toMatchObject({ code: 'BERTH_COMMAND_FAILED' });
    expect(calls.length).toBeLessThan(10);
  });

  it('does without direct I/O where the file cannot, and still attaches read-only', async () => {
    const { exec, calls } = scriptedExec((command) =>
      command.includes('--direct-io') ? { exitCode: 1, stderr: NO_DIRECT_IO } : { stdout: '/dev/loop4' },
    );
    expect(await attach(exec, true)).toBe('/dev/loop4');
    expect(calls.at(-1)).toBe('losetup --find --show --read-only -- /i.img');
  });

  it('does not attach twice where losetup attached and only then failed to set direct I/O', async () => {
    const { exec, calls } = scriptedExec(() => ({
      exitCode: 1,
      stdout: '/dev/loop4',
      stderr: 'losetup: /dev/loop4: set direct io failed: Invalid argument',
    }));
    expect(await attach(exec)).toBe('/dev/loop4');
    expect(calls).toHaveLength(1);
  });

  it('reports any other failure at once', async () => {
    const { exec, calls } = scriptedExec(() => ({ exitCode: 1, stderr: 'losetup: cannot find an unused loop device' }));
    await expect(attach(exec)).rejects.toThrow(/cannot find an unused loop device/);
    expect(calls).toHaveLength(1);
  });
});

describe("losetup's messages", () => {
  it('are told apart', () => {
    expect([saysTaken(TAKEN), saysNoDirectIo(TAKEN)]).toEqual([true, false]);
    expect([saysTaken(NO_DIRECT_IO), saysNoDirectIo(NO_DIRECT_IO)]).toEqual([false, true]);
    expect(saysTaken('losetup: /i.img: failed to set up loop device: Resource temporarily unavailable')).toBe(true);
    expect(saysNoDirectIo('losetup: /dev/loop4: set direct io failed: Invalid argument')).toBe(true);
  });
});
