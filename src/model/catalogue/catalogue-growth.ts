/** The part of the catalogue that is about filesystems that grow. */
import { entry } from './catalogue-entry.js';

export const growth = {
  BERTH_FILESYSTEM_GROW_FAILED: entry(
    'FAILED_PRECONDITION',
    'the {fs} filesystem at {path} could not grow: {why}',
    'unstage and stage the volume again, it grows offline then',
  ),
  // The kubelet says the PersistentVolume's size, which csi-resizer writes once the image has grown to it.
  BERTH_IMAGE_TOO_SMALL: entry(
    'OUT_OF_RANGE',
    'image {image} of volume {volume} has {have} bytes in Ceph, and the caller, by the PersistentVolume, wants ' +
      '{wanted}',
    'the PersistentVolume is ahead of its image: expand the volume at the controller (csi-resizer), or rbd resize it',
  ),
  BERTH_GROWTH_GIVEN_UP: entry(
    'FAILED_PRECONDITION',
    'the filesystem of volume {volume} is not grown to {size} bytes any more: the last try, by node {node} at ' +
      '{since}, did not come to its end: {why}',
    'it is used at the size that it has; expand the volume to another size, or remove the metadata berth.dev/growth ' +
      'of its image, and stage it again',
  ),
  // external-resizer takes OUT_OF_RANGE for a size that is never to be had, and says so at the PVC.
  BERTH_GROWTH_IMPOSSIBLE: entry(
    'OUT_OF_RANGE',
    'the {fs} filesystem of {what} cannot grow to {size} bytes: as it was made, it grows to {limit} bytes at most',
    'ask for at most that, or copy the data to a new volume: those grow to 16 TiB',
  ),
  BERTH_GROWTH_UNFINISHED: entry(
    'ABORTED',
    'the filesystem of volume {volume} is half grown, by node {node}: {why}',
    'nothing is lost, the image has a snapshot of before; the next stage for writing, on any node, goes back to it',
  ),
  BERTH_GROWTH_TOUCHED: entry(
    'FAILED_PRECONDITION',
    'the filesystem of volume {volume} is half grown, and somebody has mounted it since',
    'repair it with e2fsck, or roll the image back to {snapshot}; then remove that and its metadata berth.dev/growth',
  ),
} as const;
