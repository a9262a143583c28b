/**
 * Mounts of a device that is gone: cut off, or unmapped by force, under pods that used it. They answer errors, and have
 * to go all the same.
 */
import { unmount } from '../../../host/mount/mount.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { Exec } from '../../../host/process/exec.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';

/**
 * Is the topmost mount at a path of this entry one of the device that the entry was mapped as? To be asked only where
 * nothing is mapped: there is no number to compare any more, and the name alone may be another volume's by now, but not
 * at this volume's own path.
 */
export async function isDeadMount({ mapping, stagingPath, targets }: JournalEntry, path: string): Promise<boolean> {
  if (mapping === undefined || (path !== stagingPath && !(path in targets))) return false;
  const mount = await mountAt(path);
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
    await unmount(exec, path, deadline);
  }
}
