/** Which processes stand still, from a /proc of the test's own. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stillProcesses } from '../../../../src/host/process/still-processes.js';

let proc: string;
beforeEach(async () => {
  proc = await mkdtemp(path.join(tmpdir(), 'berth-proc-'));
});
afterEach(() => rm(proc, { recursive: true }));

async function process(pid: number, state: string, other: Readonly<Record<string, string>> = {}): Promise<void> {
  const directory = path.join(proc, String(pid));
  await mkdir(directory);
  const files = {
    cmdline: '/usr/bin/qemu-system-x86_64\0-name\0vm (1) T\0',
    maps: '7f00-7f01 r-xp 0 00:00 1 /usr/lib/x86_64-linux-gnu/librbd.so.1.16.0\n',
    stat: `${pid} (qemu-system (x) T) ${state} 1 1 1`,
    wchan: '0',
    ...other,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(directory, name), text);
}

const still = async (counts: (argv: readonly string[]) => boolean = () => true) =>
  (await stillProcesses({ program: 'qemu', library: 'librbd', counts }, proc)).map(({ pid, how }) => `${pid} ${how}`);

describe('stillProcesses', () => {
  it('knows what is stopped, traced, frozen or caught from what runs and sleeps', async () => {
    await process(1, 'S');
    await process(2, 'R');
    await process(3, 'T');
    await process(4, 't');
    await process(5, 'D');
    await process(6, 'S', { wchan: 'do_freezer_trap' });
    await process(7, 'D', { wchan: '__refrigerator' });
    const said = ['3 stopped', '4 stopped', '5 caught in the kernel', '6 frozen', '7 frozen'];
    expect((await still()).sort()).toEqual(said);
  });

  it('leaves out other programs, those without the library, and those that do not count', async () => {
    await process(1, 'T', { cmdline: 'bash\0' });
    await process(2, 'T', { maps: '7f00-7f01 r-xp 0 00:00 1 /usr/lib/libc.so.6\n' });
    await process(3, 'T', { cmdline: 'qemu-kvm\0-name\0other\0' });
    await process(4, 'T', { cmdline: '' });
    expect(await still((argv) => !argv.includes('other'))).toEqual([]);
  });
});
