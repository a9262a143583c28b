/** Which of the machine's namespaces we are in: the host's own network, and whether we see the host's processes. */
import { readlink } from 'node:fs/promises';
import path from 'node:path';
import type { Finding } from '../../model/finding.js';
import { isThere } from '../../host/is-there.js';

/** PROC_PID_INIT_INO: the first pid namespace has this number on every kernel since 3.8. */
const INIT_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * Are we in the host's network namespace? Pid 1's is not ours to see from a container; but the kernel shows these
 * settings in the first network namespace only (net_core_table is registered for init_net alone), whoever looks.
 */
export async function checkNetwork(procRoot: string): Promise<Finding> {
  const name = 'network-namespace';
  const core = path.join(procRoot, 'sys/net/core');
  if (await isThere(path.join(core, 'netdev_max_backlog'))) {
    return { name, level: 'ok', says: "this is the host's network" };
  }
  if (!(await isThere(core))) {
    return {
      name,
      level: 'warning',
      says: `${core} is not there, so it cannot be told whose network this is; mount /proc`,
    };
  }
  const says =
    "this is not the host's network: mapped devices use the network that they were mapped in, and all I/O stops when " +
    'it goes with this pod; set hostNetwork: true';
  return { name, level: 'warning', says };
}

/** Do we see everybody's processes? */
export async function seesAllProcesses(procRoot: string): Promise<boolean> {
  return (await readlink(path.join(procRoot, 'self/ns/pid')).catch(() => '')) === INIT_PID_NAMESPACE;
}

/** Only where we see everybody's processes can an error name who keeps a volume. */
export async function checkProcesses(procRoot: string): Promise<Finding> {
  const name = 'processes';
  if (await seesAllProcesses(procRoot)) return { name, level: 'ok', says: "the host's processes can be seen" };
  const says =
    "the host's processes cannot be seen from here, so no error can name who keeps a volume, and rbd-nbd's daemons " +
    'end with this pod; set hostPID: true';
  return { name, level: 'warning', says };
}
