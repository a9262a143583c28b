/**
 * Virtual machines of this node that stand still and may have an image open. Ceph forgets the watch of such a client
 * after about 30 s, and the client writes when it goes on: that nobody watches an image proves nothing beside one.
 */
import { stillProcesses } from '../../../host/process/still-processes.js';

/** One text each, `qemu-system-x86_64 (pid 4711, stopped)`; none where every one runs, and so is seen by Ceph. */
export type StillGuests = () => Promise<readonly string[]>;

/**
 * hyperd's virtual machines are QEMU, which opens an image by a library of Ceph in its own memory. Nothing tells which
 * image: each one counts for all.
 * @param counts told the arguments of a process
 */
export const stillGuests =
  (counts: (argv: readonly string[]) => boolean): StillGuests =>
  async () => {
    const still = await stillProcesses({ program: 'qemu', library: 'librbd', counts });
    return still.map(({ pid, program, how }) => `${program} (pid ${pid}, ${how})`);
  };
