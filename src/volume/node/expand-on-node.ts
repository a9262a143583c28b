/**
 * NodeExpandVolume: the device takes the image's size, and the filesystem the device's. It reaches Ceph only to read
 * the image's size.
 */
import { deviceSizeBytes } from '../../host/device/block-device.js';
import { growFilesystem, isSmallerThanDevice } from '../../host/filesystem/resize-filesystem.js';
import { filesystemOfEntry, isMountedHere } from '../../journal/entry.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { imageSpec } from '../../model/volume-id.js';
import { refuseReplaced } from './recovery/entry-image.js';
import { growForGuest, type GrowForGuestParts } from './guest/grow-for-guest.js';
import type { Mappers } from './node-mappers.js';
import type { Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import { mustFindVolume, type Credentials, type ImageLookup } from '../image/find-volume.js';
import { checkRange, type SizeRange } from '../image/volume-size.js';
import { findAtPath, type FindAtPathParts } from './target/find-at-path.js';

export interface ExpandOnNodeParts
  extends Omit<ImageLookup, 'rbd'>,
    Omit<FindAtPathParts, 'journal'>,
    GrowForGuestParts {
  readonly rbd: ImageLookup['rbd'] & GrowForGuestParts['rbd'];
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly journal: FindAtPathParts['journal'] & GrowForGuestParts['journal'];
}

export interface ExpandOnNode {
  readonly volume: string;
  readonly path: string;
  readonly range: SizeRange | undefined;
  readonly secrets: Credentials | undefined;
}

/**
 * The size of the device in bytes after the call. BERTH_VOLUME_NOT_AT_PATH, BERTH_IMAGE_REPLACED,
 * BERTH_FILESYSTEM_GROW_FAILED, BERTH_IMAGE_TOO_SMALL where the image itself is smaller than asked; of a guest's as
 * {@link growForGuest}.
 */
export async function expandOnNode(
  parts: ExpandOnNodeParts,
  request: ExpandOnNode,
  deadline: Deadline,
): Promise<bigint> {
  const { operations, mappers, exec } = parts;
  const { volume, path, range, secrets } = request;
  if (range !== undefined && (range.required !== 0n || range.limit !== 0n)) checkRange(range);
  const what = { op: 'expand', fingerprint: `${path} ${range?.required ?? 0n}` } as const;
  return operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const at = await findAtPath(parts, volume, path, deadline);
    if (at?.mapping === undefined) throw berthError('BERTH_VOLUME_NOT_AT_PATH', { volume, path });
    const { entry, mapping } = at;
    const found = await mustFindVolume(parts, volume, 'node', secrets, deadline);
    const { head } = found;
    refuseReplaced(entry, head);
    if (range !== undefined && head.sizeBytes < range.required) {
      const { required: wanted } = range;
      throw berthError('BERTH_IMAGE_TOO_SMALL', { image: imageSpec(found.at), volume, have: head.sizeBytes, wanted });
    }
    operation.step('device size');
    await mappers.named(mapping.mapper).resized(mapping, head.sizeBytes, deadline);
    if (entry.access === 'mount' && !isMountedHere(entry)) {
      if (!entry.readOnly) await growForGuest(parts, { entry, mapping, found }, operation, deadline);
    } else if (entry.access === 'mount' && !entry.readOnly) {
      operation.step('grow filesystem');
      const target = {
        device: mapping.device,
        type: filesystemOfEntry(entry),
        mountedAt: entry.stagingPath,
      } as const;
      if (await isSmallerThanDevice(target)) await growFilesystem(exec, target, deadline);
    }
    return deviceSizeBytes(mapping.device);
  });
}
