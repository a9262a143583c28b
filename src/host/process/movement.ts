/** Whether a child does anything: what the kernel counts of its process group changes then. */
import { readdirSync, readFileSync } from 'node:fs';

/** Fields of /proc/PID/stat behind the name (proc(5)): process group, and the time of itself and of ended children. */
const GROUP = 2;
const TIMES = [11, 12, 13, 14];

/**
 * Time of the processor and bytes of all processes of the group, as one text: another one says that it has moved. One
 * that waits for a device that does not answer stands still. Reads /proc of every process: for seldom use.
 */
export function movementOf(group: number): string {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => countsOf(pid, group)).join(' ');
}

function countsOf(pid: string, group: number): readonly string[] {
  const fields = ask(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  if (fields[GROUP] !== String(group)) return [];
  const bytes = [...ask(`/proc/${pid}/io`).matchAll(/^[rw]\w*: (\d+)$/gm)].map(([, count = '']) => count);
  return [pid, ...TIMES.map((index) => fields[index] ?? ''), ...bytes];
}

/** '' where it has ended. */
function ask(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
