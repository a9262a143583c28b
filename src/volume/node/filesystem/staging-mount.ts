/** The mount of a volume's filesystem at its staging path: there once, from the right device, or not at all. */
import { mkdir } from 'node:fs/promises';
import { deviceNumber } from '../../../host/device/block-device.js';
import { isErrno } from '../../../host/errno.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { mountFilesystem, unmount } from '../../../host/mount/mount.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { Exec } from '../../../host/process/exec.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';

/**
 * Is the topmost mount at `path` one of this device? mountinfo shows the number of a filesystem's own block device
 * (btrfs would show another).
 */
export async function isMountedFrom(path: string, device: string): Promise<boolean> {
  const mount = await mountAt(path);
  return mount !== undefined && mount.device === (await deviceNumber(device));
}

export interface StagingMount {
  readonly device: string;
  readonly stagingPath: string;
  readonly type: FilesystemType;
  readonly flags: readonly string[];
  readonly readOnly: boolean;
}

/** BERTH_TARGET_OCCUPIED where something else is mounted there. */
export async function mountStaged(
  { exec }: { readonly exec: Exec },
  staging: StagingMount,
  deadline: Deadline,
): Promise<void> {
  const { device, stagingPath, type, flags, readOnly } = staging;
  const present = await mountAt(stagingPath);
  if (present !== undefined)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: stagingPath, what: `a mount of ${present.source}` });
  await mkdir(stagingPath, { recursive: true, mode: 0o750 }).catch((error: unknown) => {
    throw isErrno(error, 'EEXIST')
      ? berthError('BERTH_TARGET_OCCUPIED', { path: stagingPath, what: 'not a directory' }, error)
      : error;
  });
  const always = filesystems[type].mountOptions(readOnly);
  const mount = { device, target: stagingPath, fsType: type, options: flags, always };
  await mountFilesystem(exec, mount, deadline);
}

/** Unmount ours; what is mounted there from another device is not touched. */
export async function unmountStaged(
  { exec }: { readonly exec: Exec },
  stagingPath: string,
  device: string,
  deadline: Deadline,
): Promise<void> {
  // A retried mount may have stacked: each layer that is ours goes, one at a time.
  while (await isMountedFrom(stagingPath, device)) await unmount(exec, stagingPath, deadline);
}
