/**
 * A volume is copied by way of a snapshot of it, named after the copy. Ceph keeps what the copy stands on, where nobody
 * sees it, for as long as it does.
 */
import type { Deadline } from '../../../../model/deadline.js';
import { isBerthError } from '../../../../model/errors.js';
import type { Logger } from '../../../../observe/log.js';
import type { RbdPort } from '../../../../rbd/port.js';
import { cutName, type CopyOperation, type CopyPlan } from './copy-records.js';
import type { FoundSource } from './find-source.js';

export interface CutParts {
  readonly rbd: Pick<RbdPort, 'cutById' | 'removeSnapshot'>;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * A cut that an earlier try left is used again: the call that made it has not been answered. False where the source has
 * gone. Errors of cutById.
 */
export async function cutSource(
  { rbd }: CutParts,
  plan: CopyPlan,
  { place, head }: FoundSource,
  operation: CopyOperation,
  deadline: Deadline,
): Promise<boolean> {
  operation.step('cut source');
  try {
    await rbd.cutById(place, head.id, cutName(plan), deadline);
    return true;
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) return false;
    throw error;
  }
}

/**
 * Remove a cut on which nothing stands and nothing is to stand any more: the copy is there by another one, or will
 * never be. A failure is a warning, for what happened to the copy counts.
 */
export async function dropCut(
  { rbd, log }: CutParts,
  plan: CopyPlan,
  { place, image }: FoundSource,
  operation: CopyOperation,
  deadline: Deadline,
): Promise<void> {
  operation.step('drop cut');
  try {
    await rbd.removeSnapshot({ ...place, image }, cutName(plan), deadline);
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) return;
    log.warn({ volume: plan.volume, err: error }, 'a snapshot that was cut to copy a volume is still there');
  }
}
