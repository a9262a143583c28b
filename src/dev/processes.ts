/**
 * Finds processes by what the kernel says they were started with, and ends them within a bound; pid files alone lie
 * after a crash.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';

export interface RunningProcess {
  readonly pid: number;
  readonly program: string;
  readonly argv: readonly string[];
}

/** How long SIGKILL may take before we say that it did not work, in ms: a process in uninterruptible sleep stays. */
const KILL_PATIENCE_MS = 5_000;
const POLL_MS = 20;

async function readProcess(pid: number): Promise<RunningProcess | undefined> {
  // Empty for kernel threads and zombies, absent for a process that has just ended: neither is running for us.
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const argv = text.split('\0').slice(0, -1);
  return argv[0] === undefined ? undefined : { pid, program: path.basename(argv[0]), argv };
}

/** Every process but our own that matches. */
export async function findProcesses(matches: (process: RunningProcess) => boolean): Promise<readonly RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.filter((pid) => pid !== process.pid).map(readProcess));
  return found.filter((one): one is RunningProcess => one !== undefined && matches(one));
}

/** Is it still the same process (and not another one with its pid)? */
async function isRunning(one: RunningProcess): Promise<boolean> {
  const now = await readProcess(one.pid);
  return now?.argv.join('\0') === one.argv.join('\0');
}

function signal(one: RunningProcess, name: NodeJS.Signals): void {
  try {
    process.kill(one.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function untilGone(processes: readonly RunningProcess[], deadline: Deadline): Promise<readonly RunningProcess[]> {
  let left = processes;
  for (;;) {
    const running = await Promise.all(left.map(isRunning));
    left = left.filter((_, index) => running[index] === true);
    if (left.length === 0 || deadline.expired) return left;
    await sleep(POLL_MS);
  }
}

/** SIGTERM, `graceMs` of patience, SIGKILL; LEFTOVER where a process outlives even that. */
export async function stopProcesses(
  processes: readonly RunningProcess[],
  graceMs: number,
  deadline: Deadline,
): Promise<void> {
  if (graceMs > 0) for (const one of processes) signal(one, 'SIGTERM');
  const stubborn = graceMs > 0 ? await untilGone(processes, deadline.within(graceMs)) : processes;
  for (const one of stubborn) signal(one, 'SIGKILL');
  const [left] = await untilGone(stubborn, deadline.within(KILL_PATIENCE_MS));
  if (left !== undefined) {
    throw berthError('BERTH_LEFTOVER', {
      what: `process ${left.pid} (${left.program})`,
      why: 'it does not end on SIGKILL',
    });
  }
}
