/** What a driver weighs: resident memory of the process and of the worker that it forked. */
import { readdir, readFile } from 'node:fs/promises';

/** KiB, summed over the process and its children. */
export async function residentKiB(pid: number): Promise<{ readonly driver: number; readonly worker: number }> {
  const children = await childrenOf(pid);
  const sizes = await Promise.all(children.map(rss));
  return { driver: await rss(pid), worker: sizes.reduce((a, b) => a + b, 0) };
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
