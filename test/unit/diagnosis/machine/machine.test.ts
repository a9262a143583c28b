/** What is said of a machine, from the files of a kernel as nodes and containers have them. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../../src/host/process/exec.js';
import { judgeClock } from '../../../../src/diagnosis/machine/clock.js';
import { checkConfinement } from '../../../../src/diagnosis/machine/confinement.js';
import { checkDev, checkSys } from '../../../../src/diagnosis/machine/mounts.js';
import { checkNetwork, checkProcesses } from '../../../../src/diagnosis/machine/namespaces.js';
import { checkPrivileges } from '../../../../src/diagnosis/machine/privileges.js';
import { checkPrograms } from '../../../../src/diagnosis/machine/programs.js';
import { checkStateDirectory } from '../../../../src/diagnosis/machine/state-directory.js';
import { checkUdev } from '../../../../src/diagnosis/machine/udev.js';
import { Deadline } from '../../../../src/model/deadline.js';

let root: string;
let proc: string;
const soon = () => Deadline.after(60_000);
const mounts = (...lines: string[]) => write('proc/self/mountinfo', lines.join('\n'));

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await writeFile(path.join(root, file), text);
}

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-preflight-'));
  proc = path.join(root, 'proc');
  await mkdir(path.join(proc, 'self/ns'), { recursive: true });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true, force: true });
});

describe('the tools that read what guests wrote', () => {
  it('are confined where the machine lets them be, and else a warning says how', async () => {
    expect(await checkConfinement(() => Promise.resolve('/proc/1/fd/9'))).toMatchObject({ level: 'ok' });
    const says = expect.stringMatching(/cannot be confined.*setpriv/) as string;
    expect(await checkConfinement(() => Promise.resolve(undefined))).toMatchObject({ level: 'warning', says });
  });
});

describe('the network namespace', () => {
  it('is the host´s where the settings of the first namespace are there', async () => {
    await write('proc/sys/net/core/netdev_max_backlog', '1000\n');
    expect(await checkNetwork(proc)).toMatchObject({ level: 'ok' });
  });

  it('is another one where only those of every namespace are', async () => {
    await write('proc/sys/net/core/somaxconn', '4096\n');
    expect(await checkNetwork(proc)).toMatchObject({
      level: 'warning',
      says: expect.stringMatching(/hostNetwork: true/) as string,
    });
  });

  it('is not guessed', async () => {
    expect(await checkNetwork(proc)).toMatchObject({
      level: 'warning',
      says: expect.stringMatching(/cannot be told/) as string,
    });
  });
});

describe('the host´s processes', () => {
  it.each<[string, string]>([
    ['pid:[4026531836]', 'ok'],
    ['pid:[4026532567]', 'warning'],
  ])('in %s: %s', async (namespace, level) => {
    await symlink(namespace, path.join(proc, 'self/ns/pid'));
    expect(await checkProcesses(proc)).toMatchObject({ level });
  });
});

describe('udev', () => {
  it('runs where its process does', async () => {
    await write('proc/77/comm', 'systemd-udevd\n');
    expect(await checkUdev(proc)).toMatchObject({ level: 'ok', says: expect.stringMatching(/pid 77/) as string });
  });

  it('is missed only where it would be seen', async () => {
    await write('proc/77/comm', 'udevadm\n');
    expect(await checkUdev(proc)).toMatchObject({ level: 'ok' });
    await symlink('pid:[4026531836]', path.join(proc, 'self/ns/pid'));
    expect(await checkUdev(proc)).toMatchObject({ level: 'warning' });
  });
});

describe('/dev and /sys', () => {
  it('are the host´s', async () => {
    await mounts('20 1 0:5 / /dev rw - devtmpfs udev rw', '21 1 0:20 / /sys rw - sysfs sysfs rw');
    expect([await checkDev(proc), await checkSys(proc)]).toMatchObject([{ level: 'ok' }, { level: 'ok' }]);
  });

  it('are those of a container without privileges', async () => {
    await mounts('20 1 0:55 / /dev rw - tmpfs tmpfs rw', '21 1 0:20 / /sys ro - sysfs sysfs rw');
    const [dev, sys] = [await checkDev(proc), await checkSys(proc)];
    expect([dev, sys]).toMatchObject([{ level: 'warning' }, { level: 'warning' }]);
    expect(dev.says).toMatch(/^\/dev is a tmpfs/);
    expect(sys.says).toMatch(/read-only/);
  });
});

describe('privileges', () => {
  it.each<[string, string]>([
    ['000001ffffffffff', 'ok'],
    ['000001fffeffffff', 'warning'],
    ['00000000a80425fb', 'failed'],
  ])('%s: %s', async (mask, level) => {
    await write('proc/self/status', `Name:\tnode\nCapEff:\t${mask}\n`);
    expect(await checkPrivileges(proc)).toMatchObject({ level });
  });
});

describe('the state directory', () => {
  it('may be there or be made later', async () => {
    expect(await checkStateDirectory(root, soon())).toMatchObject({ level: 'ok' });
    expect(await checkStateDirectory(path.join(root, 'not/yet'), soon())).toMatchObject({ level: 'ok' });
  });

  it('fails where it is no directory', async () => {
    await write('file', '');
    expect(await checkStateDirectory(path.join(root, 'file/state'), soon())).toMatchObject({ level: 'failed' });
  });
});

describe('programs', () => {
  it('that are missing are named with what cannot be done without them', async () => {
    vi.stubEnv('PATH', root);
    const [mount, ext4] = await checkPrograms(undefined);
    // The system's own directories are searched all the same, and hold the others.
    expect(mount).toMatchObject({
      level: 'failed',
      says: expect.stringMatching(/^mount, umount.*no volume.*install/) as string,
    });
    expect(ext4).toMatchObject({
      level: 'warning',
      says: expect.stringMatching(/cmp not installed.*ext4 volumes/) as string,
    });
  });

  it('tell their versions where they are asked', async () => {
    const [mount, ext4] = await checkPrograms(run);
    expect(mount!.says).toMatch(/^mount from util-linux \d/);
    expect(ext4!.says).toMatch(/^mke2fs \d/);
  });
});

describe('the clock', () => {
  it.each<[object, string]>([
    [{ state: 0, status: 0x2001, maxErrorUs: 12_300 }, 'ok'],
    [{ state: 5, status: 0x40, maxErrorUs: 16_000_000 }, 'warning'],
    [{ state: 0, status: 0x40, maxErrorUs: 16_000_000 }, 'warning'],
  ])('%j: %s', (report, level) => {
    expect(judgeClock(JSON.stringify(report))).toMatchObject({ name: 'clock', level });
  });
});
