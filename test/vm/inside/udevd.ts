/** udevd taken away for a while: gone in the guest, frozen on somebody's own machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { findProcesses } from '../../../src/dev/processes.js';
import { session } from './session.js';

const PROGRAM = 'systemd-udevd';

/** Run `job` without anybody who answers the kernel's events; it is back afterwards. */
export async function withoutUdevd<T>(job: () => Promise<T>): Promise<T> {
  const daemons = await findProcesses(({ program }) => program === PROGRAM);
  if (daemons.length === 0) throw new Error('there is no udevd that could be taken away');
  for (const { pid } of daemons) process.kill(pid, session.guest ? 'SIGKILL' : 'SIGSTOP');
  try {
    return await job();
  } finally {
    if (session.guest) await once(spawn(`/usr/lib/systemd/${PROGRAM}`, ['--daemon'], { stdio: 'ignore' }), 'exit');
    else for (const { pid } of daemons) process.kill(pid, 'SIGCONT');
  }
}
