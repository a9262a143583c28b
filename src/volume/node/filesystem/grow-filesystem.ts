/** A filesystem that is smaller than its device, after an expansion or a larger copy, grows to it. */
import type { Superblock } from '../../../host/filesystem/filesystem.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { growFilesystem, isSmallerThanDevice } from '../../../host/filesystem/resize-filesystem.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { FoundVolume } from '../../image/find-volume.js';
import type { NodeOperation } from '../../operation/operations.js';
import { growGuarded, type GrowthOperation, type GuardedGrowthParts } from './guarded-growth.js';

export interface GrowthAtStage {
  readonly found: FoundVolume;
  readonly device: string;
  readonly type: FilesystemType;
  /** Another kernel is to mount it. */
  readonly forGuest: boolean;
  /** Where it is mounted, writable; undefined before the mount. */
  readonly mountedAt: string | undefined;
  /** Seen a moment ago; undefined where the device has to be read. */
  readonly superblock?: Superblock | undefined;
}

/**
 * What this node mounts grows mounted, for the kernel has a journal for it. Before the mount, behind a guard, grows
 * what is a guest's, and an ext4 of a driver without CAP_SYS_RESOURCE. Errors as {@link growIfSmaller}.
 */
export async function growAtStage(
  parts: GuardedGrowthParts,
  target: GrowthAtStage,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const isMounted = target.mountedAt !== undefined;
  const { growUnmounted, growsMountedHere } = filesystems[target.type];
  const growsBefore = growUnmounted !== undefined && (target.forGuest || !growsMountedHere());
  if (growsBefore === isMounted) return;
  const begin = (): void => operation.step(isMounted ? 'grow after mount' : 'grow before mount');
  const warning = 'the filesystem could not grow to its device and is mounted as it is';
  await growIfSmaller(parts, { ...target, warning }, begin, operation, deadline);
}

/**
 * Grow the filesystem where it is smaller than its device; `begin` is called before the growth. A failure is logged as
 * `warning` and is no error, for it must not keep the pod from its data, unless it leaves something half grown:
 * BERTH_GROWTH_UNFINISHED. BERTH_SHUTTING_DOWN where it may not begin any more.
 */
export async function growIfSmaller(
  parts: GuardedGrowthParts,
  { warning, ...target }: Omit<GrowthAtStage, 'forGuest'> & { readonly warning: string },
  begin: () => void,
  operation: GrowthOperation,
  deadline: Deadline,
): Promise<void> {
  try {
    if (!(await isSmallerThanDevice(target, target.superblock))) return;
    begin();
    if (target.mountedAt === undefined) await growGuarded(parts, target, operation, deadline);
    else await growFilesystem(parts.exec, target, deadline);
  } catch (error) {
    if (isBerthError(error, 'BERTH_GROWTH_UNFINISHED', 'BERTH_SHUTTING_DOWN')) throw error;
    parts.log.warn({ device: target.device, err: error }, warning);
  }
}
