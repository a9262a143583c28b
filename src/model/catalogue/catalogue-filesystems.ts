/** The part of the catalogue that is about filesystems which are not as a mount needs them. */
import { entry } from './catalogue-entry.js';

export const filesystemErrors = {
  BERTH_MOUNT_REFUSED: entry(
    'FAILED_PRECONDITION',
    'the {fs} filesystem of {device} cannot be mounted: {why}',
    'see the kernel log of the node; nothing was changed',
  ),
  BERTH_MOUNT_FLAGS_LOST: entry(
    'FAILED_PRECONDITION',
    'the mount flags {flags} would not be in force at {path}: {why}',
    'take them out of mountOptions, or let the node plugin see what the node has (docs/install.md)',
  ),
  BERTH_REPLAY_NEEDED: entry(
    'FAILED_PRECONDITION',
    'the {fs} filesystem of {device} is asked for read-only, and its journal holds changes that were never applied',
    'use the volume once for writing (ReadWriteOnce, without the mount flag ro), which applies them',
  ),
  // UNAVAILABLE: a kubelet asks again and forgets nothing of the volume, whose pods still stand on it.
  BERTH_FILESYSTEM_STOPPED: entry(
    'UNAVAILABLE',
    'the filesystem of volume {volume} takes no more writes, and {who} still has it: {why}',
    'delete the pods that have the volume on this node; the next stage or publish checks it and mounts it anew',
  ),
} as const;
