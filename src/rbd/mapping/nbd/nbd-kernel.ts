/**
 * What rbd-nbd cannot do with the kernel's devices is told to the kernel itself, by a program of ours that speaks
 * netlink.
 */
import type { Exec } from '../../../host/process/exec.js';
import { programFile } from '../../../model/package-root.js';
import type { Deadline } from '../../../model/deadline.js';
import type { NbdDevice } from './nbd-sysfs.js';

export interface NbdKernel {
  /** Give a device a new size (bytes). BERTH_COMMAND_FAILED with the kernel's word, DEADLINE. */
  setSize(device: NbdDevice, sizeBytes: bigint, deadline: Deadline): Promise<void>;
  /**
   * Take a device from a daemon that is dead: requests that wait for another one fail. BERTH_COMMAND_FAILED, DEADLINE.
   */
  disconnect(device: NbdDevice, deadline: Deadline): Promise<void>;
}

const PROGRAM = programFile('rbd/mapping/nbd/nbd-device.js');

export function nbdKernel(exec: Exec): NbdKernel {
  const tell = async ({ name }: NbdDevice, what: readonly string[], deadline: Deadline): Promise<void> => {
    await exec(process.execPath, [PROGRAM, name.replace(/^nbd/, ''), ...what], { deadline });
  };
  return {
    setSize: (device, sizeBytes, deadline) => tell(device, ['size', String(sizeBytes), device.cookie], deadline),
    disconnect: (device, deadline) => tell(device, ['disconnect'], deadline),
  };
}
