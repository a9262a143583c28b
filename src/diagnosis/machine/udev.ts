/** Is there a udev daemon? We map without it; others on the node do not. */
import { seesAllProcesses } from './namespaces.js';
import type { Finding } from '../../model/finding.js';
import { processLinks } from '../../host/process/process-links.js';

const DAEMONS = ['systemd-udevd', 'udevd', 'eudevd', '(udev-worker)'];

/**
 * By its process: the control socket outlives a daemon that was killed, and `udevadm settle` answers at once where
 * there is none.
 */
export async function checkUdev(procRoot: string): Promise<Finding> {
  const name = 'udev';
  for await (const one of processLinks(procRoot)) {
    const comm = one.name();
    if (DAEMONS.includes(comm)) return { name, level: 'ok', says: `${comm} runs (pid ${one.pid})` };
  }
  if (!(await seesAllProcesses(procRoot)))
    return { name, level: 'ok', says: 'cannot be seen from here; volumes are mapped without it' };
  const says =
    'no udev daemon runs: Berth maps without it, but rbd map by hand hangs and nobody makes the links below /dev; ' +
    'start systemd-udevd';
  return { name, level: 'warning', says };
}
