/** A filesystem that is smaller than its device, after an expansion or a larger copy, grows to it. */
import { deviceSizeBytes } from '../../../host/device/block-device.js';
import { filesystemSize, growOffline, growOnline } from '../../../host/filesystem/index.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { NodeRoom } from '../node-room.js';
import type { NodeOperation } from '../../operation/operations.js';

/** Both filesystems leave a tail that is too small for their units; volumes grow by whole MiB. */
const SLACK = 1024n * 1024n;

export interface GrowTarget {
  readonly device: string;
  readonly type: FilesystemType;
  /** Undefined before the mount: ext4 grows then without special privileges, xfs only knows how to grow mounted. */
  readonly mountedAt: string | undefined;
}

/** At stage: a growth that fails must not keep the pod from its data, so it is logged and left to NodeExpandVolume. */
export async function growIfSmaller(
  room: NodeRoom,
  target: GrowTarget,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const fits = target.type === 'ext4' ? target.mountedAt === undefined : target.mountedAt !== undefined;
  if (!fits) return;
  try {
    if (!(await isSmaller(target))) return;
    operation.step(target.mountedAt === undefined ? 'grow before mount' : 'grow after mount');
    await grow(room, target, deadline);
  } catch (error) {
    room.log.warn(
      { device: target.device, err: error },
      'the filesystem could not grow to its device and is mounted as it is',
    );
  }
}

export const isSmaller = async ({ device, type }: GrowTarget): Promise<boolean> =>
  (await deviceSizeBytes(device)) - (await filesystemSize(device, type)) >= SLACK;

/** BERTH_FILESYSTEM_GROW_FAILED. */
export async function grow(room: NodeRoom, { device, type, mountedAt }: GrowTarget, deadline: Deadline): Promise<void> {
  if (mountedAt === undefined) await growOffline(room.exec, { device, type }, deadline);
  else await growOnline(room.exec, { device, type, mountPoint: mountedAt }, deadline);
}
