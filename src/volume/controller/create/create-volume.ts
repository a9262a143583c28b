/** CreateVolume: one image, named from the volume's name, so that Ceph's own "exists" makes it idempotent. */
import { holderRecordToTake } from '../../../attachment/holder-record.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { MkfsTrial } from '../../../host/filesystem/mkfs/try-mkfs.js';
import { NEW_IMAGE } from '../../../rbd/new-image.js';
import type { RbdPort } from '../../../rbd/port.js';
import { checkCapabilities } from '../../image/capability-rules.js';
import { dataHome } from '../../image/find-volume.js';
import { words } from '../../image/parameters.js';
import type { Operation } from '../../operation/operations.js';
import { differsFrom, parseVolumeRecord, sourceDiffers } from '../../image/volume-record.js';
import { checkRange, chooseSize } from '../../image/volume-size.js';
import { completeCreate, refuseForeignImage, type CompleteCreateParts } from './complete-create.js';
import type { ControllerOperations } from '../controller-operations.js';
import {
  fingerprintOf,
  metadataOf,
  planCreate,
  refuseOtherSize,
  type CreatedVolume,
  type CreatePlan,
  type CreateRequest,
  type PlanParts,
} from './create-plan.js';
import type { InterruptedCreates } from './interrupted-create.js';
import type { PoolCapacity } from '../pool-capacity.js';
import { copyVolume, type CopyParts } from './copy/copy-volume.js';

export interface CreateParts extends CompleteCreateParts, CopyParts, PlanParts {
  readonly clusters: CopyParts['clusters'] & PlanParts['clusters'];
  readonly rbd: CompleteCreateParts['rbd'] & CopyParts['rbd'] & Pick<RbdPort, 'createImage' | 'head'>;
  readonly poolCapacity: Pick<PoolCapacity, 'check'>;
  readonly mkfsTrial: Pick<MkfsTrial, 'check'>;
  readonly interruptedCreates: CopyParts['interruptedCreates'] & Pick<InterruptedCreates, 'clear'>;
  readonly operations: ControllerOperations;
}

/**
 * How often an image is made whose name was taken and is free again, before the caller is told that somebody is at it.
 */
const ATTEMPTS = 2;

/**
 * Create the volume or return the one that is there. Nine OSD operations: librbd's create, the id, all metadata in one
 * call. BERTH_VOLUME_INCOMPATIBLE where the name is taken by another shape or size, BERTH_IMAGE_FOREIGN where the image
 * is not ours.
 */
export async function createVolume(
  parts: CreateParts,
  request: CreateRequest,
  deadline: Deadline,
): Promise<CreatedVolume> {
  const { poolCapacity, interruptedCreates, operations } = parts;
  checkCapabilities(request.capabilities);
  checkRange(request.range);
  const plan = await planCreate(parts, request);
  const { volume, at } = plan;
  const what = { op: 'create', fingerprint: fingerprintOf(request) } as const;
  return operations.run(volume, what, deadline, async (operation, deadline) => {
    const { source } = plan;
    if (source !== undefined) return copyVolume(parts, { ...plan, source }, operation, deadline);
    operation.step('pool capacity');
    const sizeBytes = chooseSize(request.range, plan.minimum);
    await poolCapacity.check(dataHome(at, plan.shape.dataPool), sizeBytes, deadline);
    await tryMkfs(parts, plan, sizeBytes, operation, deadline);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      operation.step('create image');
      if (await createImage(parts, plan, sizeBytes, deadline)) return { volume, sizeBytes };
      const present = await usePresentImage(parts, plan, deadline);
      if (present !== undefined) return present;
      operation.step('clear away unfinished');
      await interruptedCreates.clear(at, deadline);
    }
    throw berthError('BERTH_BUSY', { key: volume, op: 'delete', age: 0, step: 'remove', detail: '' });
  });
}

/**
 * Options for mkfs that cannot work are found before there is an image, and not at the first stage, when the claim is
 * long bound. None cost nothing. BERTH_FIELD_INVALID.
 */
async function tryMkfs(
  { mkfsTrial }: Pick<CreateParts, 'mkfsTrial'>,
  { types, parameters }: CreatePlan,
  sizeBytes: bigint,
  operation: Operation<'try mkfs'>,
  deadline: Deadline,
): Promise<void> {
  const options = words(parameters.mkfsOptions);
  if (options.length === 0 || types.length === 0) return;
  operation.step('try mkfs');
  for (const type of types) await mkfsTrial.check('parameter mkfsOptions', type, options, sizeBytes, deadline);
}

/** False where the name is taken. */
async function createImage(
  { rbd, now }: Pick<CreateParts, 'rbd' | 'now'>,
  plan: CreatePlan,
  sizeBytes: bigint,
  deadline: Deadline,
): Promise<boolean> {
  const { features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool } = plan.parameters;
  const metadata = metadataOf(plan, NEW_IMAGE, now());
  const spec = { sizeBytes, features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool, metadata };
  try {
    await rbd.createImage(plan.at, spec, deadline);
    return true;
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_EXISTS')) return false;
    throw error;
  }
}

/**
 * The name is taken: by this very volume (answer the same), by another shape of it, or by an image that is not ours.
 * Undefined where there is no image by now.
 */
async function usePresentImage(
  parts: CreateParts,
  plan: CreatePlan,
  deadline: Deadline,
): Promise<CreatedVolume | undefined> {
  const { volume, at, name, shape, range } = plan;
  const head = await parts.rbd.head(at, deadline);
  if (head === undefined) return undefined;
  const { sizeBytes } = head;
  const record = parseVolumeRecord(head.metadata, volume);
  // The same name asked for anew while its delete goes on: what is answered now would vanish.
  if (record !== undefined) holderRecordToTake(head, volume);
  if (record === undefined) await refuseForeignImage(parts, plan, head, deadline);
  refuseOtherSize(volume, sizeBytes, range);
  if (record === undefined) {
    const isOurs = await completeCreate(parts, plan, head, deadline);
    // Somebody else completed it first, perhaps in another shape.
    return isOurs ? { volume, sizeBytes } : usePresentImage(parts, plan, deadline);
  }
  const difference = differsFrom(record, name, shape) ?? sourceDiffers(record, undefined);
  if (difference !== undefined) throw berthError('BERTH_VOLUME_INCOMPATIBLE', { volume, ...difference });
  return { volume, sizeBytes };
}
