/** The part of the catalogue that is about filesystems that grow. */
import { entry } from './catalogue-entry.js';

export const growth = {
  BERTH_FILESYSTEM_GROW_FAILED: entry(
    'FAILED_PRECONDITION',
    'the {fs} filesystem at {path} could not grow: {why}',
    'unstage and stage the volume again, it grows offline then',
  ),
  // external-resizer takes OUT_OF_RANGE for a size that is never to be had, and says so at the PVC.
  BERTH_GROWTH_IMPOSSIBLE: entry(
    'OUT_OF_RANGE',
    'the {fs} filesystem of {what} cannot grow to {size} bytes: as it was made, it grows to {limit} bytes at most',
    'ask for at most that, or copy the data to a new volume: those grow to 16 TiB',
  ),
} as const;
