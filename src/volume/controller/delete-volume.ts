/** DeleteVolume: remove the image if nobody holds, watches or needs it; a volume that is gone already is a success. */
import { parseHolderRecord, HOLDER_KEY } from '../../attachment/holder-record.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { Clusters } from '../../rbd/clusters.js';
import { refuseLocked } from '../../rbd/image-lock.js';
import type { RbdPort } from '../../rbd/port.js';
import { parseVolumeRecord } from '../image/volume-record.js';
import {
  findVolume,
  locate,
  refuseUnlisted,
  type Credentials,
  type FoundVolume,
  type ImageLookup,
} from '../image/find-volume.js';
import type { ControllerOperations } from './controller-operations.js';
import type { InterruptedCreates } from './create/interrupted-create.js';

export interface DeleteParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'listed'>;
  readonly rbd: Pick<RbdPort, 'head' | 'inspect' | 'remove' | 'finishInterruptedRemoval'>;
  readonly interruptedCreates: Pick<InterruptedCreates, 'clear'>;
  readonly operations: ControllerOperations;
}

/**
 * BERTH_VOLUME_IN_USE while a node has it attached or a client has it open, BERTH_VOLUME_HAS_SNAPSHOTS,
 * BERTH_IMAGE_LOCKED, BERTH_DELETE_REFUSED where Berth did not make it.
 */
export async function deleteVolume(
  parts: DeleteParts,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  await parts.operations.run(volume, { op: 'delete', fingerprint: '' }, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await findVolume(parts, volume, 'controller', secrets, deadline);
    if (found === undefined) {
      operation.step('clear away unfinished');
      return clearRemains(parts, volume, secrets, deadline);
    }
    refuseAttached(found);
    // librbd would wait beside it for ever, busily, and no call of it can be ended.
    refuseLocked(found.at, found.head.locks);
    operation.step('remove image');
    try {
      await parts.rbd.remove(found.at, deadline);
    } catch (error) {
      throw isBerthError(error, 'BERTH_IMAGE_BUSY') ? await explainBusy(parts, found, error, deadline) : error;
    }
  });
}

/**
 * Gone, or nearly: a create or a delete that was cut short has left what no image shows. BERTH_IMAGE_UNFINISHED while
 * it may be under way, BERTH_IMAGE_BUSY while Ceph still knows the client that was removing it.
 */
async function clearRemains(
  { clusters, rbd, interruptedCreates }: DeleteParts,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  await refuseUnlisted(clusters, volume);
  const place = await locate(clusters, volume, 'controller', secrets);
  if (place === undefined) return;
  await interruptedCreates.clear(place.at, deadline);
  await rbd.finishInterruptedRemoval(place.at, deadline);
}

/** BERTH_DELETE_REFUSED for an image that Berth did not make, BERTH_VOLUME_IN_USE for one that nodes have attached. */
function refuseAttached({ head, volume }: FoundVolume): void {
  if (parseVolumeRecord(head.metadata, volume) === undefined) {
    throw berthError('BERTH_DELETE_REFUSED', { volume, why: 'Berth did not make this image' });
  }
  const record = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
  if (record !== undefined) {
    throw berthError('BERTH_VOLUME_IN_USE', {
      volume,
      who: `node ${record.holders.map((one) => one.node).join(', ')} (attached)`,
    });
  }
}

/** Busy says no more than that; the image itself tells whether it is a snapshot or a client, and which. */
async function explainBusy(
  { rbd }: DeleteParts,
  { at, volume }: FoundVolume,
  cause: Error,
  deadline: Deadline,
): Promise<Error> {
  const { snapshots, watchers } = await rbd.inspect(at, deadline);
  if (snapshots.length > 0) return berthError('BERTH_VOLUME_HAS_SNAPSHOTS', { volume, count: snapshots.length }, cause);
  if (watchers.length === 0) return cause;
  return berthError(
    'BERTH_VOLUME_IN_USE',
    { volume, who: `client ${watchers.map((one) => one.address).join(', ')}` },
    cause,
  );
}
