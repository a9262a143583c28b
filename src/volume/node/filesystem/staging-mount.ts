/** The mount of a volume's filesystem at its staging path: there once, from the right device, or not at all. */
import { deviceNumber } from '../../../host/device/block-device.js';
import { isErrno } from '../../../host/errno.js';
import { makeDirectories } from '../../../host/make-directories.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { readSuperblock } from '../../../host/filesystem/superblock.js';
import { mountFilesystem } from '../../../host/mount/mount-filesystem.js';
import { unmountSeen } from '../../../host/mount/mount.js';
import { mountAt, type Mount } from '../../../host/mount/mountinfo.js';
import type { Exec } from '../../../host/process/exec.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { leavesJournal, readMountFlags } from '../../../model/mount/mount-flags.js';

/**
 * Is the topmost mount at `path` one of this device? mountinfo shows the number of a filesystem's own block device
 * (btrfs would show another).
 */
export const isMountedFrom = async (path: string, device: string): Promise<boolean> =>
  isMountOf(await mountAt(path), device);

/** {@link isMountedFrom} of a mount that was read before. */
export const isMountOf = async (mount: Mount | undefined, device: string): Promise<boolean> =>
  mount !== undefined && mount.device === (await deviceNumber(device));

export interface StagingMount {
  readonly device: string;
  readonly stagingPath: string;
  readonly type: FilesystemType;
  readonly flags: readonly string[];
  readonly readOnly: boolean;
}

/**
 * BERTH_TARGET_OCCUPIED where something else is mounted there, BERTH_REPLAY_NEEDED for a reader of a filesystem that
 * was not left cleanly: what its journal holds would have to be written first.
 */
export async function mountStaged(
  { exec }: { readonly exec: Exec },
  staging: StagingMount,
  deadline: Deadline,
): Promise<void> {
  const { device, stagingPath, type, flags, readOnly } = staging;
  const present = await mountAt(stagingPath);
  if (present !== undefined)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: stagingPath, what: `a mount of ${present.source}` });
  await makeStagingDirectory(stagingPath);
  if (readOnly && !leavesJournal(flags)) await refuseReplay(device, type, deadline);
  const always = filesystems[type].mountOptions(readOnly);
  // How it is mounted follows from the device, which was mapped as it was asked for, and from nothing else.
  const options = readMountFlags(flags).flatMap(({ name, text }) => (name === 'ro' || name === 'rw' ? [] : [text]));
  const mount = { device, target: stagingPath, fsType: type, options, always };
  await mountFilesystem(exec, mount, deadline);
}

/**
 * BERTH_REPLAY_NEEDED where the superblock says that the journal has to be applied. Of xfs only the log tells, which
 * the kernel reads at the mount; it refuses then, and nothing is written either.
 */
export async function refuseReplay(device: string, type: FilesystemType, deadline: Deadline): Promise<void> {
  const { needsReplay = false } = await readSuperblock(device, filesystems[type], deadline);
  if (needsReplay) throw berthError('BERTH_REPLAY_NEEDED', { fs: type, device });
}

/**
 * Make the directory of a staging path that is no mount point yet; there already is a success. BERTH_TARGET_OCCUPIED
 * where something else than a directory is in its place, BERTH_FIELD_INVALID where none can be made.
 */
export async function makeStagingDirectory(stagingPath: string): Promise<void> {
  if ((await mountAt(stagingPath)) !== undefined) return;
  await makeDirectories(stagingPath, 0o750).catch((error: unknown) => {
    if (isErrno(error, 'EEXIST'))
      throw berthError('BERTH_TARGET_OCCUPIED', { path: stagingPath, what: 'not a directory' }, error);
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    const removed = 'is a directory above it removed, or of another mount namespace?';
    const why = `${stagingPath} cannot be made (${code})${code === 'ENOENT' ? `; ${removed}` : ''}`;
    throw berthError('BERTH_FIELD_INVALID', { field: 'staging_target_path', why }, error);
  });
}

/** Unmount ours; what is mounted there from another device is not touched. */
export async function unmountStaged(
  { exec }: { readonly exec: Exec },
  stagingPath: string,
  device: string,
  deadline: Deadline,
): Promise<void> {
  // A retried mount may have stacked: each layer that is ours goes, one at a time.
  while (await isMountedFrom(stagingPath, device)) await unmountSeen(exec, stagingPath, deadline);
}
