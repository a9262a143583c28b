/**
 * The guard at a Kata pod's target: an empty read-only tmpfs,
 * so that a runtime that misses the record shares nothing writable.
 */
import type { Exec } from '../../host/process/exec.js';
import { mountFilesystem } from '../../host/mount/mount-filesystem.js';
import { mountAt, type Mount } from '../../host/mount/mountinfo.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';

/** Seen in the mount table beside the volume's handle: whose it is can be told without a journal. */
const SOURCE = 'berth:';
/**
 * It holds nothing and can hold nothing;
 * kubelet needs a mount point at the target to know the volume again after its restart.
 */
const OPTIONS = ['ro', 'nosuid', 'nodev', 'noexec', 'size=4k', 'nr_inodes=2', 'mode=0555'];

/** Is this the guard of that volume? */
export const isGuard = (mount: Mount | undefined, volume: string): boolean =>
  mount?.fsType === 'tmpfs' && mount.source === `${SOURCE}${volume}` && mount.superOptions.includes('ro');

/** The volume whose guard this is; undefined where it is none. */
export const guardedVolume = (mount: Mount): string | undefined =>
  mount.fsType === 'tmpfs' && mount.source.startsWith(SOURCE) ? mount.source.slice(SOURCE.length) : undefined;

/**
 * Mount it on an existing directory; there already is a success. BERTH_TARGET_OCCUPIED, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function mountGuard(exec: Exec, target: string, volume: string, deadline: Deadline): Promise<void> {
  const present = await mountAt(target);
  if (isGuard(present, volume)) return;
  if (present !== undefined)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: `a mount of ${present.source}` });
  const device = `${SOURCE}${volume}`;
  await mountFilesystem(exec, { device, target, fsType: 'tmpfs', options: [], always: OPTIONS }, deadline);
  if (isGuard(await mountAt(target), volume)) return;
  throw berthError('BERTH_COMMAND_FAILED', {
    command: 'mount',
    how: 'exit code 0',
    stderr: `${target} is no read-only tmpfs`,
  });
}
