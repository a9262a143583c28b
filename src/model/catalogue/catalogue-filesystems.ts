/** The part of the catalogue that is about filesystems which are not as a mount needs them. */
import { entry } from './catalogue-entry.js';

export const filesystemErrors = {
  // UNAVAILABLE: a kubelet asks again and forgets nothing of the volume, whose pods still stand on it.
  BERTH_FILESYSTEM_STOPPED: entry(
    'UNAVAILABLE',
    'the filesystem of volume {volume} takes no more writes, and {who} still has it: {why}',
    'delete the pods that have the volume on this node; the next stage or publish checks it and mounts it anew',
  ),
} as const;
