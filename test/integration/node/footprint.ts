/** What a driver takes of its machine, from the outside: what must not grow with the calls that it has answered. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Driver } from '../csi/driver.js';

export interface Footprint {
  /** Resident, of the driver and of its librbd workers. */
  readonly driverMiB: number;
  readonly workersMiB: number;
  /** Open files of the driver, without those of children that wait for a command: there may be many, or none. */
  readonly descriptors: number;
  /** Files and directories below its state directory, and the bytes of its journal. */
  readonly entries: number;
  readonly journalBytes: number;
}

/** Its output, its errors, and where its command comes from. */
const FILES_OF_SPARE = 3;

/** The processes that this one has started and that are alive: its workers, and tools at work. */
export async function childrenOf(pid: number, program: RegExp): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children: number[] = [];
  for (const child of text.split(' ').filter((one) => one !== '')) {
    const line = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    if (program.test(line)) children.push(Number(child));
  }
  return children;
}

/** Its workers; each process of librbd is one. */
export const workersOf = ({ pid }: Driver): Promise<readonly number[]> => childrenOf(pid, /worker\.js/);

const residentMiB = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
};

export async function footprintOf(driver: Driver): Promise<Footprint> {
  const { pid, stateDir } = driver;
  const workers = await Promise.all((await workersOf(driver)).map(residentMiB));
  const journal = path.join(stateDir, 'journal');
  // A controller has none.
  const files = await readdir(journal).catch(() => []);
  // Entries come and go while their sizes are read.
  const sizeOf = (name: string): Promise<number> =>
    stat(path.join(journal, name)).then(
      ({ size }) => size,
      () => 0,
    );
  const sizes = await Promise.all(files.map(sizeOf));
  // What the storage daemon of the mapper serves is a file system of its own, and not the driver's.
  const entries = await readdir(stateDir, { recursive: true }).catch(() => []);
  return {
    driverMiB: Math.round(await residentMiB(pid)),
    workersMiB: Math.round(workers.reduce((sum, one) => sum + one, 0)),
    descriptors: await descriptorsOf(pid),
    entries: entries.length,
    journalBytes: sizes.reduce((sum, one) => sum + one, 0),
  };
}

/** Counted anew where a child began to wait, or was given its command, while they were counted. */
async function descriptorsOf(pid: number): Promise<number> {
  const waiting = async (): Promise<number> => (await childrenOf(pid, /\0berth-exec\0$/)).length;
  for (;;) {
    const before = await waiting();
    const all = (await readdir(`/proc/${pid}/fd`)).length;
    if ((await waiting()) === before) return all - before * FILES_OF_SPARE;
  }
}

/** The most that a process has ever had resident, MiB. */
export async function highestMiB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
}

/** One line of a curve. */
export const describeFootprint = (what: string, { descriptors, entries, ...one }: Footprint): string =>
  `${what}: driver ${one.driverMiB} MiB, workers ${one.workersMiB} MiB, ${descriptors} open files, ` +
  `${entries} files of its state, ${one.journalBytes} bytes of journal\n`;
