/**
 * What a power cut leaves: journal and directories, and nothing in the kernel; and what a killed driver leaves:
 * everything.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProcesses } from '../../../src/dev/processes.js';
import { run } from '../../../src/host/process/exec.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import type { JournalEntry } from '../../../src/journal/entry.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { Driver } from '../csi/driver.js';

const soon = (): Deadline => Deadline.after(60_000);

/**
 * The driver, its storage daemon, its devices and the mounts on them end as in a power cut; other mounts are left
 * alone.
 */
export async function cutPower(driver: Driver): Promise<void> {
  await driver.stop('SIGKILL');
  const exports = `${driver.stateDir}/exports/`;
  const loops = (await findLoops()).filter(({ file }) => file.startsWith(exports));
  const devices = loops.map(({ device }) => device);
  for (const { target } of (await readMounts()).filter(({ source }) => devices.includes(source)).reverse())
    await run('umount', ['--no-canonicalize', target], { deadline: soon() });
  for (const device of devices) await run('losetup', ['--detach', device], { deadline: soon() });
  const isDaemon = (argv: readonly string[]): boolean => argv.some((one) => one.includes(`${driver.stateDir}/`));
  for (const { pid } of await findProcesses(({ program, argv }) => program === 'qemu-storage-daemon' && isDaemon(argv)))
    process.kill(pid, 'SIGKILL');
  for (const { target } of (await readMounts()).filter((mount) => mount.target.startsWith(exports)))
    await run('umount', ['--lazy', target], { deadline: soon() });
}

/** The node's journal, newest state, as files say. */
export async function journalOf(driver: Driver): Promise<readonly JournalEntry[]> {
  const directory = path.join(driver.stateDir, 'journal');
  const files = (await readdir(directory)).filter((name) => name.endsWith('.json'));
  return Promise.all(
    files.map(async (name) => JSON.parse(await readFile(path.join(directory, name), 'utf8')) as JournalEntry),
  );
}

/** Loop devices of images, with the image's name. */
export const devicesOf = async (driver: Driver): Promise<readonly string[]> =>
  (await findLoops()).filter(({ file }) => file.startsWith(`${driver.stateDir}/exports/`)).map(({ file }) => file);

/** Wait until it is so; the error names what, and the end of the driver's log. */
export async function until(what: string, driver: Driver, look: () => Promise<boolean>): Promise<void> {
  const last = performance.now() + 100_000;
  while (!(await look())) {
    if (performance.now() > last) throw new Error(`not ${what}: ${(await driver.log()).slice(-3_000)}`);
    await sleep(100);
  }
}

/** Lines of the driver's log with this message. */
export async function logged(driver: Driver, message: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const lines = (await driver.log()).split('\n').filter((line) => line.startsWith('{'));
  return lines
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    .filter(({ msg }) => msg === message);
}

/** Resolves after `count` more whole rounds of reconciliation. */
export async function rounds(driver: Driver, count = 2): Promise<void> {
  const done = async (): Promise<number> => (await logged(driver, 'reconciliation round')).length;
  const wanted = (await done()) + count;
  await until(`${count} more rounds`, driver, async () => (await done()) >= wanted);
}
