/**
 * CreateVolume from a snapshot or a volume: a clone that stands on the source's snapshot, with records of its own. Ceph
 * copies nothing for it, so that it takes as long for a TiB as for a MiB.
 */
import { holderRecordToTake } from '../../../../attachment/holder-record.js';
import type { Deadline } from '../../../../model/deadline.js';
import { berthError, isBerthError } from '../../../../model/errors.js';
import type { Clusters } from '../../../../rbd/clusters.js';
import type { ImageHead, RbdPort } from '../../../../rbd/port.js';
import { dataHome } from '../../../image/find-volume.js';
import { differsFrom, parseVolumeRecord, sourceDiffers, type VolumeRecord } from '../../../image/volume-record.js';
import { chooseCopySize } from '../../../image/volume-size.js';
import { refuseOtherSize, type CreatedVolume } from '../create-plan.js';
import type { InterruptedCreates } from '../interrupted-create.js';
import type { PoolCapacity } from '../../pool-capacity.js';
import { refuseImpossibleGrowth } from '../../refuse-growth.js';
import { canBeFinished, type InterruptedCopyParts } from './interrupted-copy.js';
import { copyFeatures, cutName, type CopyOperation, type CopyPlan } from './copy-records.js';
import { finishCopy, type FinishParts } from './finish-copy.js';
import { findSource, type FoundSource, type SourceParts } from './find-source.js';
import { cutSource, dropCut, type CutParts } from './cut-source.js';
import { enlistDeep, settleChain } from './settle-chain.js';

export interface CopyParts extends SourceParts, FinishParts, CutParts, InterruptedCopyParts {
  readonly clusters: Pick<Clusters, 'all' | 'pool'>;
  readonly rbd: SourceParts['rbd'] &
    FinishParts['rbd'] &
    CutParts['rbd'] &
    InterruptedCopyParts['rbd'] &
    Pick<RbdPort, 'cloneImage' | 'parentById' | 'readStart'>;
  readonly poolCapacity: Pick<PoolCapacity, 'check'>;
  readonly interruptedCreates: Pick<InterruptedCreates, 'clear' | 'clearCopy'>;
}

/** How often it is begun anew where the name, or the source, is another's by then, before the caller is told so. */
const ATTEMPTS = 3;

/**
 * Make the copy or return the one that is there, also where its source has gone since. BERTH_SOURCE_NOT_FOUND,
 * BERTH_SOURCE_UNFIT, BERTH_SIZE_OUT_OF_RANGE, BERTH_VOLUME_INCOMPATIBLE, BERTH_IMAGE_FOREIGN; BERTH_COPY_UNFINISHED
 * while somebody else is at it, or may be; BERTH_COPY_FLATTENING while it stands on too many images.
 */
export async function copyVolume(
  parts: CopyParts,
  plan: CopyPlan,
  operation: CopyOperation,
  deadline: Deadline,
): Promise<CreatedVolume> {
  const cuts: FoundSource[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    operation.step('look');
    const head = await parts.rbd.head(plan.at, deadline);
    const copied =
      head === undefined
        ? await makeCopy(parts, plan, cuts, operation, deadline)
        : await usePresent(parts, plan, head, operation, deadline);
    if (copied === undefined) continue;
    // Somebody else's copy is there by another cut than ours.
    const [cut] = cuts;
    if (cut !== undefined) await dropCut(parts, plan, cut, operation, deadline);
    return copied;
  }
  throw berthError('BERTH_BUSY', { key: plan.volume, op: 'create', age: 0, step: 'clone image', detail: '' });
}

/** The volume, made by an earlier call, or what such a call left; undefined where the name is free by now. */
async function usePresent(
  parts: CopyParts,
  plan: CopyPlan,
  head: ImageHead,
  operation: CopyOperation,
  deadline: Deadline,
): Promise<CreatedVolume | undefined> {
  const { volume, name, shape, range, source } = plan;
  const record = parseVolumeRecord(head.metadata, volume, head);
  if (record === undefined || (await isOfSource(parts, plan, head, record, deadline))) {
    refuseAbandoned(volume, head);
    const isClone = await canBeFinished(parts, plan, head, deadline).catch((error: unknown) => {
      // Somebody else has cleared it away meanwhile.
      if (isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) return false;
      throw error;
    });
    return isClone ? finishCopy(parts, plan, head.id, undefined, operation, deadline) : undefined;
  }
  // The same name asked for anew while its delete goes on: what is answered now would vanish.
  holderRecordToTake(head, volume);
  const difference = differsFrom(record, name, shape) ?? sourceDiffers(record, source);
  if (difference !== undefined) throw berthError('BERTH_VOLUME_INCOMPATIBLE', { volume, ...difference });
  refuseOtherSize(volume, head.sizeBytes, range);
  const depth = await enlistDeep(parts, plan, head.id, undefined, operation, deadline);
  await settleChain(parts, plan, head.id, depth, operation, deadline);
  return { volume, sizeBytes: head.sizeBytes };
}

/**
 * BERTH_VOLUME_DELETING where somebody has begun to clear the unfinished copy away. A claim that came with the source
 * is none, nor is one that cannot be read: a later Berth has written that at the source.
 */
function refuseAbandoned(volume: string, head: ImageHead): void {
  try {
    holderRecordToTake(head, volume);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_RECORD_UNREADABLE')) throw error;
  }
}

/**
 * Was the record copied from a volume that had this very name before it was deleted? Records of earlier releases do not
 * say of which image they are.
 */
const isOfSource = async (
  { rbd }: CopyParts,
  { at }: CopyPlan,
  { id }: ImageHead,
  record: VolumeRecord,
  deadline: Deadline,
): Promise<boolean> =>
  record.imageId === undefined && record.source === undefined && (await rbd.parentById(at, id, deadline)) !== undefined;

/**
 * Undefined where name or source have changed hands meanwhile.
 * @param cuts gets the source where a cut of it may be left
 */
async function makeCopy(
  parts: CopyParts,
  plan: CopyPlan,
  cuts: FoundSource[],
  operation: CopyOperation,
  deadline: Deadline,
): Promise<CreatedVolume | undefined> {
  const { at, parameters, source, secrets } = plan;
  const { cluster, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool } = parameters;
  const found = await findSource(parts, { source, cluster, secrets }, deadline);
  await refuseSize(parts, plan, found, deadline);
  if (found.snapshot === undefined && !(await cutSource(parts, plan, found, operation, deadline))) return undefined;
  operation.step('clone image');
  const { pool, namespace } = found.place;
  const from = { pool, namespace, image: found.image, snapshot: found.snapshot?.name ?? cutName(plan) };
  const spec = { features: copyFeatures(plan), objectSizeBytes, stripeUnitBytes, stripeCount, dataPool };
  try {
    const id = await parts.rbd.cloneImage(at, from, spec, deadline);
    return await finishCopy(parts, plan, id, found.head, operation, deadline);
  } catch (error) {
    const isTaken = isBerthError(error, 'BERTH_IMAGE_EXISTS');
    if (isTaken && found.snapshot === undefined) cuts.push(found);
    // A name without a header, or another controller's copy: the next look tells.
    if (isTaken) await parts.interruptedCreates.clear(at, deadline);
    if (isTaken || isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) return undefined;
    if (found.snapshot === undefined && isFinal(error)) await dropUnused(parts, plan, found, operation, deadline);
    throw error;
  }
}

/** Is nobody going to come again with the same request? */
const isFinal = (error: unknown): boolean =>
  isBerthError(error) && !['DEADLINE_EXCEEDED', 'UNAVAILABLE', 'ABORTED'].includes(error.status);

/** It stays where there is an image of the copy's name, which may stand on it or be about to. */
async function dropUnused(
  parts: CopyParts,
  plan: CopyPlan,
  found: FoundSource,
  operation: CopyOperation,
  deadline: Deadline,
): Promise<void> {
  const head = await parts.rbd.head(plan.at, deadline).catch(() => 'unknown');
  if (head === undefined) await dropCut(parts, plan, found, operation, deadline);
}

async function refuseSize(
  parts: CopyParts,
  { volume, at, range, shape, source }: CopyPlan,
  found: FoundSource,
  deadline: Deadline,
): Promise<void> {
  const have = found.snapshot?.sizeBytes ?? found.head.sizeBytes;
  const sizeBytes = chooseCopySize(range, have);
  await parts.poolCapacity.check(dataHome(at, shape.dataPool), sizeBytes, deadline);
  if (sizeBytes === have) return;
  const its = { volume: source.kind === 'volume' ? source.id : volume, head: found.head };
  await refuseImpossibleGrowth(parts, { ...its, at: { ...found.place, image: found.image } }, sizeBytes, deadline);
}
