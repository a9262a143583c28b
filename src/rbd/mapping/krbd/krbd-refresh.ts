/**
 * The kernel reads an image's header again on request: how it learns a new size, and how we learn that the cluster
 * threw its client out.
 */
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import { refreshFile } from './krbd-sysfs.js';
import { saysEvicted } from '../rbd-messages.js';

/**
 * Make the kernel read the header of /dev/rbd`id`. `evicted`: its client is on the cluster's blocklist and never comes
 * back; every write fails with EIO. Other failures (the device has gone) are `refreshed`: whoever asked reads sysfs
 * anyhow. BERTH_COMMAND_MISSING, DEADLINE.
 */
export async function refreshKrbd(
  exec: Exec,
  sysRoot: string,
  id: string,
  deadline: Deadline,
): Promise<'refreshed' | 'evicted'> {
  // In a child, for the write may hang as long as the cluster does.
  const options = { input: '1', deadline, okCodes: [0, 1] };
  const { stderr, exitCode } = await exec('tee', [refreshFile(sysRoot, id)], options);
  return saysEvicted({ stderr, exitCode }) ? 'evicted' : 'refreshed';
}
