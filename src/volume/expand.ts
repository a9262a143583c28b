/** ControllerExpandVolume: grow the image; never shrink, and what is already large enough is a success. */
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';
import { parseVolumeRecord } from './record.js';
import { dataHome, mustFindVolume, type ControllerRoom, type Credentials } from './room.js';
import { checkRange, chooseSize, type SizeRange } from './size.js';

export interface ExpandVolume {
  readonly volume: string;
  readonly range: SizeRange | undefined;
  readonly secrets: Credentials | undefined;
}

/** The size in bytes after the call. VOLUME_NOT_FOUND, SIZE_OUT_OF_RANGE, SHRINK_REFUSED. */
export async function expandVolume(room: ControllerRoom, request: ExpandVolume, deadline: Deadline): Promise<bigint> {
  const { volume, range, secrets } = request;
  if (range === undefined) throw fail('FIELD_MISSING', { field: 'capacity_range' });
  checkRange(range);
  const fingerprint = `${range.required}-${range.limit}`;
  return room.operations.run(volume, { op: 'expand', fingerprint }, deadline, async (operation, deadline) => {
    operation.step('look');
    const { at, head } = await mustFindVolume(room, volume, 'controller', secrets, deadline);
    if (range.limit > 0n && head.sizeBytes > range.limit) {
      throw fail('SHRINK_REFUSED', { volume, size: head.sizeBytes, limit: range.limit });
    }
    if (head.sizeBytes >= range.required) return head.sizeBytes;
    const size = chooseSize(range, head.sizeBytes);
    const dataPool = parseVolumeRecord(head.metadata, volume)?.shape.dataPool;
    await room.capacity.check(dataHome(at, dataPool), size, deadline);
    operation.step('resize image');
    await room.rbd.resize(at, size, deadline);
    return size;
  });
}
