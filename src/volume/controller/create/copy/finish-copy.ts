/** From a clone to a volume: the end of what was cut for it, its size, and records of its own. */
import type { Deadline } from '../../../../model/deadline.js';
import { isBerthError } from '../../../../model/errors.js';
import type { ImageHead, RbdPort } from '../../../../rbd/port.js';
import { chooseCopySize } from '../../../image/volume-size.js';
import type { CreatedVolume } from '../create-plan.js';
import { copyMetadata, type CopyOperation, type CopyPlan } from './copy-records.js';
import { enlistDeep, settleChain, type ChainParts } from './settle-chain.js';

export interface FinishParts extends ChainParts {
  readonly rbd: Pick<RbdPort, 'cloneById' | 'resize' | 'changeMetadata' | 'trashSnapshot'>;
  readonly now: () => Date;
}

/**
 * The record comes last, so that an image which has it lacks nothing, and has left nothing behind. Undefined where the
 * image has gone, or somebody else has finished it: the next look tells. BERTH_COPY_FLATTENING.
 * @param from the source's image as it was before the copy; undefined where the copy was found
 */
export async function finishCopy(
  parts: FinishParts,
  plan: CopyPlan,
  id: string,
  from: ImageHead | undefined,
  operation: CopyOperation,
  deadline: Deadline,
): Promise<CreatedVolume | undefined> {
  const { rbd, now } = parts;
  const { at, volume, range, source } = plan;
  const clone = await rbd.cloneById(at, id, deadline);
  if (clone === undefined) return undefined;
  const { head, parent } = clone;
  try {
    if (source.kind === 'volume') {
      operation.step('trash cut');
      const { pool, namespace, imageId, snapshotId } = parent;
      await rbd.trashSnapshot({ access: at.access, pool, namespace }, imageId, snapshotId, deadline);
    }
    const sizeBytes = chooseCopySize(range, head.sizeBytes);
    if (sizeBytes > head.sizeBytes) {
      operation.step('resize copy');
      await rbd.resize(at, sizeBytes, deadline);
    }
    const isClone = from?.id === parent.imageId ? from.isClone : undefined;
    const depth = await enlistDeep(parts, plan, id, { ...parent, isClone }, operation, deadline);
    operation.step('record copy');
    if (!(await rbd.changeMetadata(at, id, copyMetadata(plan, clone, now()), deadline))) return undefined;
    await settleChain(parts, plan, id, depth, operation, deadline);
    return { volume, sizeBytes };
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}
