/**
 * Mounts of a device that is gone: cut off, or unmapped by force, under pods that used it. They answer errors, and have
 * to go all the same.
 */
import { unmountSeen } from '../../../host/mount/mount.js';
import { mountAt, type Mount } from '../../../host/mount/mountinfo.js';
import type { Exec } from '../../../host/process/exec.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';

/**
 * Is the topmost mount at a path of this entry one of the device that the entry was mapped as? To be asked only where
 * nothing is mapped: there is no number to compare any more, and the name alone may be another volume's by now, but not
 * at this volume's own path.
 */
export const isDeadMount = async (entry: JournalEntry, path: string): Promise<boolean> =>
  isDead(entry, path, await mountAt(path));

/** {@link isDeadMount} of the mount that was just seen at the path. */
export function isDead({ mapping, stagingPath, targets }: JournalEntry, path: string, mount?: Mount): boolean {
  if (mapping === undefined || (path !== stagingPath && !(path in targets))) return false;
  // A raw device is shown as its node: a mount of devtmpfs, whose root is the node's name.
  return mount?.source === mapping.device || (mount !== undefined && `/dev${mount.root}` === mapping.device);
}

/** Every layer of it. BERTH_UNMOUNT_BUSY. */
export async function unmountDead(
  { exec }: { readonly exec: Exec },
  entry: JournalEntry,
  path: string,
  deadline: Deadline,
  before: () => void = () => undefined,
): Promise<void> {
  while (await isDeadMount(entry, path)) {
    before();
    await unmountSeen(exec, path, deadline);
  }
}
