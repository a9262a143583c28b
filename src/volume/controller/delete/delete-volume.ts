/**
 * DeleteVolume: claim the image where nobody holds it, see that nobody has it open, and move it aside under another
 * name; a volume that is gone already is a success. Its data goes later (purges.ts).
 */
import type { DeleteClaims } from '../../../attachment/delete-claims.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { Clusters } from '../../../rbd/clusters.js';
import { refuseLocked } from '../../../rbd/image-lock.js';
import type { RbdPort, Watcher } from '../../../rbd/port.js';
import {
  findVolume,
  locate,
  refuseUnlisted,
  type Credentials,
  type FoundVolume,
  type ImageLookup,
} from '../../image/find-volume.js';
import { deletedName } from '../../image/image-name.js';
import { describeStrangers } from '../../image/refuse-strangers.js';
import { parseVolumeRecord, type VolumeRecord } from '../../image/volume-record.js';
import type { ControllerOperations } from '../controller-operations.js';
import type { InterruptedCreates } from '../create/interrupted-create.js';
import { markDeleted, type MarkParts } from './mark-deleted.js';
import type { Purges } from './purges.js';

export interface DeleteParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'listed' | 'registry'>;
  readonly rbd: Pick<RbdPort, 'head' | 'identify' | 'usersOf' | 'rename' | 'interruptedRemovals' | 'listRecords'> &
    MarkParts['rbd'];
  /** The same port over the worker for what takes long. */
  readonly longWork: Pick<RbdPort, 'finishInterruptedRemoval' | 'identify'>;
  readonly deleteClaims: Pick<DeleteClaims, 'claim' | 'giveBack'>;
  readonly interruptedCreates: Pick<InterruptedCreates, 'clear'>;
  readonly purges: Pick<Purges, 'begin'>;
  readonly operations: ControllerOperations;
  readonly log: Pick<Logger, 'warn'>;
  readonly now: () => Date;
}

/**
 * The volume is claimed before anything else, so that nobody is let in any more. The claim is given back where somebody
 * uses the image; from the moment that it is moved it stays, and a repeated delete goes on from wherever the last one
 * came to. Snapshots and clones are no reason to refuse: the image stays aside until the last of them has gone.
 * BERTH_VOLUME_IN_USE while a node has it attached or a client has it open, BERTH_IMAGE_IN_GROUP, BERTH_IMAGE_LOCKED,
 * BERTH_DELETE_REFUSED where Berth did not make it. A volume whose pool is gone is gone with it: the cluster itself
 * says so, and no call would ever end otherwise.
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
    const clear = (): Promise<void> => {
      operation.step('clear away unfinished');
      return clearRemains(parts, volume, secrets, deadline);
    };
    if (found === undefined) return clear();
    const record = ownRecord(found);
    operation.step('claim');
    const { instance } = await parts.rbd.identify(found.at.access, deadline);
    const claimed = await unlessGone(parts.deleteClaims.claim(found, instance, deadline));
    if (claimed === undefined) return clear();
    const ours = { ...found, head: claimed.head };
    operation.step('watchers');
    let isThere: true | undefined;
    try {
      isThere = await unlessGone(refuseUsed(parts, ours, secrets, deadline));
    } catch (error) {
      if (!isBerthError(error, 'BERTH_VOLUME_IN_USE', 'BERTH_IMAGE_LOCKED', 'BERTH_IMAGE_IN_GROUP')) throw error;
      operation.step('give claim back');
      if (claimed.isNew) await parts.deleteClaims.giveBack(ours, instance, deadline);
      throw error;
    }
    const step = operation.step.bind(operation);
    if (isThere !== true || !(await moveAside(parts, ours, record, step, deadline))) return clear();
  });
}

/** False where the image is gone, or was given another name by hand. */
async function moveAside(
  parts: DeleteParts,
  found: FoundVolume,
  { shape }: VolumeRecord,
  step: (name: 'mark' | 'move aside') => void,
  deadline: Deadline,
): Promise<boolean> {
  const { at, head } = found;
  step('mark');
  if ((await unlessGone(markDeleted(parts, found, shape.deleteRetentionSeconds, deadline))) === undefined) return false;
  step('move aside');
  const image = deletedName(head.id);
  if (!(await parts.rbd.rename(at, head.id, image, deadline))) return false;
  parts.purges.begin({ ...at, image }, head.id);
  return true;
}

/** Undefined where another controller has removed the image meanwhile. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isBerthError(error, 'BERTH_VOLUME_NOT_FOUND', 'BERTH_IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** BERTH_IMAGE_LOCKED, BERTH_IMAGE_IN_GROUP, BERTH_VOLUME_IN_USE. */
async function refuseUsed(
  parts: DeleteParts,
  found: FoundVolume,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<true> {
  const { at, head, volume } = found;
  const watchers = await othersOf(parts, found, deadline);
  // Whoever has it open comes first: nobody is to be told to break the lock of a client that lives.
  if (watchers.length > 0) {
    const who = await describeStrangers(parts, { found, role: 'controller', secrets }, watchers);
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who });
  }
  refuseLocked(at, head.locks);
  return true;
}

/**
 * Who has it open beside this controller's own purges: a copy that is removed opens what it stands on for a moment, by
 * the image's id, which the move aside leaves as it is.
 */
async function othersOf(
  { rbd, longWork }: DeleteParts,
  { at, head }: FoundVolume,
  deadline: Deadline,
): Promise<readonly Watcher[]> {
  const { watchers } = await rbd.usersOf(at, head.id, deadline);
  if (watchers.length === 0) return watchers;
  const { instance } = await longWork.identify(at.access, deadline);
  return watchers.filter(({ address }) => address !== instance);
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
 * Gone, or nearly: a create that was cut short, or a removal of a release before this one or by hand, has left what no
 * image shows. BERTH_IMAGE_UNFINISHED while it may be under way, BERTH_IMAGE_BUSY while Ceph still knows the client
 * that was removing it.
 */
async function clearRemains(
  { clusters, rbd, longWork, interruptedCreates }: DeleteParts,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<void> {
  await refuseUnlisted(clusters, volume);
  const place = await locate(clusters, volume, 'controller', secrets);
  if (place === undefined) return;
  const { at } = place;
  await interruptedCreates.clear(at, deadline);
  const cutShort = await rbd.interruptedRemovals(at, deadline);
  if (cutShort.some(({ name }) => name === at.image)) await longWork.finishInterruptedRemoval(at, deadline);
}

/** BERTH_DELETE_REFUSED for an image that Berth did not make. */
function ownRecord({ head, volume }: FoundVolume): VolumeRecord {
  const record = parseVolumeRecord(head.metadata, volume);
  if (record === undefined) throw berthError('BERTH_DELETE_REFUSED', { volume, why: 'Berth did not make this image' });
  return record;
}
