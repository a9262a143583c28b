/** ControllerExpandVolume: grow the image; never shrink, and what is already large enough is a success. */
import { holderRecordToTake } from '../../attachment/holder-record.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { refuseLocked } from '../../rbd/image-lock.js';
import type { RbdPort } from '../../rbd/port.js';
import { refuseHalfGrown } from '../image/growth-record.js';
import { parseVolumeRecord } from '../image/volume-record.js';
import { dataHome, mustFindVolume, type Credentials, type ImageLookup } from '../image/find-volume.js';
import { checkRange, chooseSize, type SizeRange } from '../image/volume-size.js';
import type { ControllerOperations } from './controller-operations.js';
import type { PoolCapacity } from './pool-capacity.js';
import { refuseImpossibleGrowth } from './refuse-growth.js';

export interface ExpandParts extends ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'readStart' | 'resize'>;
  readonly poolCapacity: Pick<PoolCapacity, 'check'>;
  readonly operations: ControllerOperations;
}

export interface ExpandVolume {
  readonly volume: string;
  readonly range: SizeRange | undefined;
  readonly secrets: Credentials | undefined;
  /** The caller says that it is a raw block device: whatever it holds is nothing of ours. */
  readonly isBlock?: boolean;
}

/**
 * The size in bytes after the call. BERTH_VOLUME_NOT_FOUND, BERTH_VOLUME_DELETING, BERTH_SIZE_OUT_OF_RANGE,
 * BERTH_SHRINK_REFUSED, BERTH_IMAGE_LOCKED, BERTH_GROWTH_IMPOSSIBLE where its filesystem could not follow.
 */
export async function expandVolume(parts: ExpandParts, request: ExpandVolume, deadline: Deadline): Promise<bigint> {
  const { volume, range, secrets, isBlock = false } = request;
  if (range === undefined) throw berthError('BERTH_FIELD_MISSING', { field: 'capacity_range' });
  checkRange(range);
  const fingerprint = `${range.required}-${range.limit}`;
  return parts.operations.run(volume, { op: 'expand', fingerprint }, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await mustFindVolume(parts, volume, 'controller', secrets, deadline);
    const { at, head } = found;
    holderRecordToTake(head, volume);
    if (range.limit > 0n && head.sizeBytes > range.limit) {
      throw berthError('BERTH_SHRINK_REFUSED', { volume, size: head.sizeBytes, limit: range.limit });
    }
    if (head.sizeBytes >= range.required) return head.sizeBytes;
    refuseLocked(at, head.locks);
    // Going back takes the image back to its size, too.
    refuseHalfGrown(found, 'its image cannot grow meanwhile');
    const size = chooseSize(range, head.sizeBytes);
    if (!isBlock) await refuseImpossibleGrowth(parts, found, size, deadline);
    const dataPool = parseVolumeRecord(head.metadata, volume)?.shape.dataPool;
    await parts.poolCapacity.check(dataHome(at, dataPool), size, deadline);
    operation.step('resize image');
    await parts.rbd.resize(at, size, deadline);
    return size;
  });
}
