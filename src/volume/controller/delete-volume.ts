/** DeleteVolume: remove the image if nobody holds, watches or needs it; a volume that is gone already is a success. */
import { parseHolderRecord, HOLDER_KEY } from '../../attachment/holder-record.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { parseVolumeRecord } from '../image/volume-record.js';
import { type ControllerRoom } from './controller-room.js';
import { findVolume, locate, refuseUnlisted, type Credentials, type FoundVolume } from '../image/find-volume.js';

export async function deleteVolume(
  room: ControllerRoom,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  await room.operations.run(volume, { op: 'delete', fingerprint: '' }, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await findVolume(room, volume, 'controller', secrets, deadline);
    if (found === undefined) {
      operation.step('clear away unfinished');
      return clearUnfinished(room, volume, secrets, deadline);
    }
    refuseHeld(found);
    operation.step('remove image');
    try {
      await room.rbd.remove(found.at, deadline);
    } catch (error) {
      throw isBerthError(error, 'BERTH_IMAGE_BUSY') ? await explainBusy(room, found, error, deadline) : error;
    }
  });
}

/**
 * Gone, or nearly: a create or a delete that was cut short has left what no image shows. BERTH_IMAGE_UNFINISHED while
 * it may be under way, BERTH_IMAGE_BUSY while Ceph still knows the client that was removing it.
 */
async function clearUnfinished(
  room: ControllerRoom,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  await refuseUnlisted(room.clusters, volume);
  const place = await locate(room.clusters, volume, 'controller', secrets);
  if (place === undefined) return;
  await room.interruptedCreates.clear(place.at, deadline);
  await room.rbd.finishInterruptedRemoval(place.at, deadline);
}

function refuseHeld({ head, volume }: FoundVolume): void {
  if (parseVolumeRecord(head.metadata, volume) === undefined) {
    throw berthError('BERTH_DELETE_REFUSED', { volume, why: 'Berth did not make this image' });
  }
  const holders = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
  if (holders !== undefined) {
    throw berthError('BERTH_VOLUME_IN_USE', {
      volume,
      who: `node ${holders.holders.map((one) => one.node).join(', ')} (attached)`,
    });
  }
}

/** Busy says no more than that; the image itself tells whether it is a snapshot or a client, and which. */
async function explainBusy(
  room: ControllerRoom,
  { at, volume }: FoundVolume,
  cause: Error,
  deadline: Deadline,
): Promise<Error> {
  const { snapshots, watchers } = await room.rbd.inspect(at, deadline);
  if (snapshots.length > 0) return berthError('BERTH_VOLUME_HAS_SNAPSHOTS', { volume, count: snapshots.length }, cause);
  if (watchers.length === 0) return cause;
  return berthError(
    'BERTH_VOLUME_IN_USE',
    { volume, who: `client ${watchers.map((one) => one.address).join(', ')}` },
    cause,
  );
}
