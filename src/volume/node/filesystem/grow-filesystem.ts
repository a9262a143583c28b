/** A filesystem that is smaller than its device, after an expansion or a larger copy, grows to it. */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { growFilesystem, isSmallerThanDevice, type Growth } from '../../../host/filesystem/resize-filesystem.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { NodeOperation } from '../../operation/operations.js';

/** At stage: a growth that fails must not keep the pod from its data, so it is logged and left to NodeExpandVolume. */
export async function growIfSmaller(
  { exec, log }: { readonly exec: Exec; readonly log: Pick<Logger, 'warn'> },
  target: Growth,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  // Before the mount where that can be: it needs no special privilege then.
  const growsBefore = filesystems[target.type].growUnmounted !== undefined;
  if (growsBefore !== (target.mountedAt === undefined)) return;
  try {
    if (!(await isSmallerThanDevice(target))) return;
    operation.step(target.mountedAt === undefined ? 'grow before mount' : 'grow after mount');
    await growFilesystem(exec, target, deadline);
  } catch (error) {
    log.warn(
      { device: target.device, err: error },
      'the filesystem could not grow to its device and is mounted as it is',
    );
  }
}
