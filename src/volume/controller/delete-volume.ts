/**
 * DeleteVolume: claim the image where nobody holds it, then remove it if nobody watches or needs it; a volume that is
 * gone already is a success.
 */
import type { Claimed, DeleteClaims } from '../../attachment/delete-claims.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { Logger } from '../../observe/log.js';
import type { Clusters } from '../../rbd/clusters.js';
import { imageSpec } from '../../model/volume-id.js';
import { refuseLocked } from '../../rbd/image-lock.js';
import type { RbdPort } from '../../rbd/port.js';
import { parseGrowth } from '../image/growth-record.js';
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
  readonly rbd: Pick<
    RbdPort,
    'head' | 'identify' | 'inspect' | 'remove' | 'removeSnapshot' | 'finishInterruptedRemoval'
  >;
  readonly deleteClaims: Pick<DeleteClaims, 'claim' | 'giveBack'>;
  readonly interruptedCreates: Pick<InterruptedCreates, 'clear'>;
  readonly operations: ControllerOperations;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * The volume is claimed before anything is removed, so that nobody is let in any more. The claim ends with the image.
 * It is given back where Ceph refuses to remove it, and not one byte is gone then; after any other end it stays, for
 * what was begun may still come true, and the repeated delete goes on from it. BERTH_VOLUME_IN_USE while a node has it
 * attached or a client has it open, BERTH_VOLUME_HAS_SNAPSHOTS, BERTH_IMAGE_HAS_CLONES,
 * BERTH_IMAGE_IN_GROUP, BERTH_IMAGE_LOCKED, BERTH_DELETE_REFUSED where Berth did not make it. A volume whose pool is
 * gone is gone with it: the cluster itself says so, and no call would ever end otherwise.
 */
export async function deleteVolume(
  parts: DeleteParts,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  await parts.operations.run(volume, { op: 'delete', fingerprint: '' }, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await findUnlessPoolGone(parts, volume, secrets, deadline);
    if (found === 'pool gone') return;
    if (found === undefined) {
      operation.step('clear away unfinished');
      return clearRemains(parts, volume, secrets, deadline);
    }
    refuseForeign(found);
    operation.step('claim');
    const { instance } = await parts.rbd.identify(found.at.access, deadline);
    const claimed = await claim(parts, found, instance, deadline);
    if (claimed === undefined) {
      operation.step('clear away unfinished');
      return clearRemains(parts, volume, secrets, deadline);
    }
    operation.step('remove image');
    const { head, isNew } = claimed;
    try {
      // librbd would wait beside it for ever, busily, and no call of it can be ended.
      refuseLocked(found.at, head.locks);
      const growth = parseGrowth(head, volume);
      // Nobody goes back to it any more.
      if (growth !== undefined) await parts.rbd.removeSnapshot(found.at, growth.snapshot, deadline);
      await parts.rbd.remove(found.at, deadline);
    } catch (error) {
      if (!isBerthError(error, 'BERTH_IMAGE_BUSY', 'BERTH_IMAGE_LOCKED', 'BERTH_IMAGE_IN_GROUP')) throw error;
      operation.step('give claim back');
      if (isNew) await parts.deleteClaims.giveBack({ ...found, head }, instance, deadline);
      throw error.code === 'BERTH_IMAGE_BUSY' ? await explainBusy(parts, found, error, deadline) : error;
    }
  });
}

/** As {@link DeleteClaims.claim}; undefined where another controller has removed the image meanwhile. */
async function claim(
  { deleteClaims }: DeleteParts,
  found: FoundVolume,
  client: string,
  deadline: Deadline,
): Promise<Claimed | undefined> {
  try {
    return await deleteClaims.claim(found, client, deadline);
  } catch (error) {
    if (isBerthError(error, 'BERTH_VOLUME_NOT_FOUND', 'BERTH_IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function findUnlessPoolGone(
  parts: DeleteParts,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundVolume | 'pool gone' | undefined> {
  try {
    return await findVolume(parts, volume, 'controller', secrets, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_POOL_NOT_FOUND')) throw error;
    parts.log.warn({ volume, err: error }, 'the pool of a volume that is to be deleted is gone, and so is the volume');
    return 'pool gone';
  }
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

/** BERTH_DELETE_REFUSED for an image that Berth did not make. */
function refuseForeign({ head, volume }: FoundVolume): void {
  if (parseVolumeRecord(head.metadata, volume) !== undefined) return;
  throw berthError('BERTH_DELETE_REFUSED', { volume, why: 'Berth did not make this image' });
}

/** Busy says no more than that; the image itself tells whether it is a snapshot or a client, and which. */
async function explainBusy(
  { rbd }: DeleteParts,
  { at, volume }: FoundVolume,
  cause: Error,
  deadline: Deadline,
): Promise<Error> {
  const { snapshots, watchers, clones } = await rbd.inspect(at, deadline);
  if (clones.length > 0) {
    return berthError('BERTH_IMAGE_HAS_CLONES', { image: imageSpec(at), clones: clones.join(', ') }, cause);
  }
  if (snapshots.length > 0) return berthError('BERTH_VOLUME_HAS_SNAPSHOTS', { volume, count: snapshots.length }, cause);
  if (watchers.length === 0) return cause;
  return berthError(
    'BERTH_VOLUME_IN_USE',
    { volume, who: `client ${watchers.map((one) => one.address).join(', ')}` },
    cause,
  );
}
