/** What a driver weighs: resident memory and processor time of the process and of the worker that it forked. */
import { readdir, readFile } from 'node:fs/promises';

interface Weight {
  readonly driver: number;
  /** Summed over the process's children. */
  readonly worker: number;
}

/** KiB. */
export const residentKiB = (pid: number): Promise<Weight> => ofBoth(pid, rss);

/** User and system time since the start, ms; the kernel counts in ticks of 10. */
export const processorMs = (pid: number): Promise<Weight> => ofBoth(pid, spent);

async function ofBoth(pid: number, measure: (pid: number) => Promise<number>): Promise<Weight> {
  const worker = await Promise.all((await childrenOf(pid)).map(measure));
  return { driver: await measure(pid), worker: worker.reduce((a, b) => a + b, 0) };
}

const spent = async (pid: number): Promise<number> => spentOf(await readFile(`/proc/${pid}/stat`, 'utf8'));

/** Of /proc/PID/stat, ms of all threads: after the name, which may hold anything, the 12th and 13th field (proc(5)). */
export function spentOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function rss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN);
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')));
  return lists.flatMap((list) =>
    list
      .split(' ')
      .filter((one) => one !== '')
      .map(Number),
  );
}
