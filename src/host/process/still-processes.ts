/**
 * Processes that stand still: stopped by a signal or a debugger, frozen with their cgroup, or caught in the kernel.
 * Each of them goes on some day from where it was.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

export interface StillProcess {
  readonly pid: number;
  readonly program: string;
  /** `stopped`, `frozen`, `caught in the kernel` */
  readonly how: string;
}

export interface Wanted {
  /** How the program's name begins. */
  readonly program: string;
  /** Part of the name of a file that it has in its memory: what it can do at all. */
  readonly library: string;
  /** Told the arguments; false for one that is of no matter. */
  readonly counts: (argv: readonly string[]) => boolean;
}

/** Where the kernel has a thread whose cgroup is frozen (version 2, version 1). */
const FROZEN = /do_freezer_trap|refrigerator/;

/** One that ends while it is looked at is left out. Needs root for other users' processes. */
export async function stillProcesses(wanted: Wanted, procRoot = '/proc'): Promise<readonly StillProcess[]> {
  const pids = (await readdir(procRoot)).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => inspect(path.join(procRoot, String(pid)), pid, wanted)));
  return found.filter((one) => one !== undefined);
}

async function inspect(
  directory: string,
  pid: number,
  { program: prefix, library, counts }: Wanted,
): Promise<StillProcess | undefined> {
  const argv = (await read(directory, 'cmdline')).split('\0').slice(0, -1);
  const program = path.basename(argv[0] ?? '');
  if (!program.startsWith(prefix) || !counts(argv)) return undefined;
  if (!(await read(directory, 'maps')).includes(library)) return undefined;
  const how = howStill(await read(directory, 'stat'), await read(directory, 'wchan'));
  return how === undefined ? undefined : { pid, program, how };
}

/** By the state of its main thread (proc(5), stat). */
function howStill(stat: string, waitsIn: string): string | undefined {
  const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
  if (state === 'T' || state === 't') return 'stopped';
  if (FROZEN.test(waitsIn)) return 'frozen';
  return state === 'D' ? 'caught in the kernel' : undefined;
}

const read = (directory: string, name: string): Promise<string> =>
  readFile(path.join(directory, name), 'utf8').catch(() => '');
