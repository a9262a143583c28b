/** A filesystem that is smaller than its device, after an expansion or a larger copy, grows to it. */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { growFilesystem, isSmallerThanDevice, type Growth } from '../../../host/filesystem/resize-filesystem.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { NodeOperation } from '../../operation/operations.js';

export interface GrowthParts {
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
}

/** Before the mount where the filesystem can grow unmounted, else after it. A failure is left to NodeExpandVolume. */
export async function growAtStage(
  parts: GrowthParts,
  target: Growth,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const isMounted = target.mountedAt !== undefined;
  // Growing unmounted needs no special privilege.
  const growsBefore = filesystems[target.type].growUnmounted !== undefined;
  if (growsBefore === isMounted) return;
  const begin = (): void => operation.step(isMounted ? 'grow after mount' : 'grow before mount');
  const warning = 'the filesystem could not grow to its device and is mounted as it is';
  await growIfSmaller(parts, target, begin, warning, deadline);
}

/**
 * Grow the filesystem where it is smaller than its device; `begin` is called before the growth. A failure is logged as
 * `warning` and is no error: it must not keep the pod from its data.
 */
export async function growIfSmaller(
  { exec, log }: GrowthParts,
  target: Growth,
  begin: () => void,
  warning: string,
  deadline: Deadline,
): Promise<void> {
  try {
    if (!(await isSmallerThanDevice(target))) return;
    begin();
    await growFilesystem(exec, target, deadline);
  } catch (error) {
    log.warn({ device: target.device, err: error }, warning);
  }
}
