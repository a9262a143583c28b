/** Reads the counters of guest, host and disk before and after each load. */
import { readdir, readFile, stat } from 'node:fs/promises';
import type { SandboxGuest } from '../../src/dev/guest/sandbox-guest.js';
import { spentOf } from '../process-size.js';
import {
  effortOf,
  processorsOf,
  PROGRAMS,
  programOf,
  trafficOf,
  type Counters,
  type Done,
  type Effort,
  type Meter,
  type Program,
} from './effort.js';
import type { Measure } from './loads.js';

/** Where a way's costs are read. */
export interface Watched {
  /** Undefined where no guest runs the load. */
  readonly guest: SandboxGuest | undefined;
  /** Of the host; undefined where the guest's QEMU opens the image, and its disk is the guest's only one on SCSI. */
  readonly device: string | undefined;
}

/** What one way did in one round. */
export type Results = Partial<Record<Measure, { readonly done: Done; readonly effort: Effort }>>;

/** @param directory whose programs are meant; `results` are filled */
export const meterOf =
  (directory: string, watched: Watched, results: Results): Meter =>
  async (what, run) => {
    const before = await counters(directory, watched);
    const done = await run();
    const effort = effortOf(before, await counters(directory, watched), done.operations);
    results[what] = { done, effort };
  };

async function counters(directory: string, { guest, device }: Watched): Promise<Counters> {
  const [inside, host, spent] = await Promise.all([
    guest?.sh('cat /proc/stat'),
    readFile('/proc/stat', 'utf8'),
    spentBy(directory),
  ]);
  const disk = device === undefined ? await guest?.sh('cat /sys/block/sda/stat') : await diskOfHost(device);
  return {
    ms: performance.now(),
    guest: inside === undefined ? undefined : processorsOf(inside),
    host: processorsOf(host),
    spent,
    disk: trafficOf(disk ?? ''),
  };
}

/** Numbers of a device as the kernel packs them (glibc's gnu_dev_major). */
async function diskOfHost(device: string): Promise<string> {
  const { rdev } = await stat(device);
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return readFile(`/sys/dev/block/${major}:${minor}/stat`, 'utf8');
}

async function spentBy(directory: string): Promise<Record<Program, number>> {
  const spent = Object.fromEntries(PROGRAMS.map((name) => [name, 0])) as Record<Program, number>;
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  // One that ends meanwhile spends nothing more.
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
  for (const pid of processes) {
    const program = programOf(await read(`/proc/${pid}/cmdline`), directory);
    if (program !== undefined) spent[program] += spentOf(await read(`/proc/${pid}/stat`)) || 0;
  }
  return spent;
}
