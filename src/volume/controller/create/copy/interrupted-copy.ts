/**
 * An image of the copy's name without its record: a copy that is being made, or was cut short, or somebody else's
 * image.
 */
import type { Deadline } from '../../../../model/deadline.js';
import { berthError } from '../../../../model/errors.js';
import type { Logger } from '../../../../observe/log.js';
import type { CloneParent } from '../../../../rbd/port/clone-port.js';
import type { ImageHead, RbdPort } from '../../../../rbd/port.js';
import { foreignError, refuseForeignHead } from '../complete-create.js';
import type { InterruptedCreates } from '../interrupted-create.js';
import { copyFeatures, cutName, type CopyPlan } from './copy-records.js';
import { findSource, readSource, type FoundSource, type SourceParts } from './find-source.js';

export interface InterruptedCopyParts extends SourceParts {
  readonly rbd: SourceParts['rbd'] & Pick<RbdPort, 'parentById' | 'inspect' | 'isUnwritten' | 'watchers'>;
  readonly interruptedCreates: Pick<InterruptedCreates, 'clearCopy'>;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * librbd makes a clone in this order: the image, open at its own client from then on; its parent; the word of it at the
 * parent, without which nothing keeps the snapshot; the metadata of its parent. So one that nobody has open, and that
 * its parent knows, lacks nothing but its records: true. Anything less is cleared away when it can be nobody's any
 * more: false then. BERTH_COPY_UNFINISHED, BERTH_IMAGE_FOREIGN.
 */
export async function canBeFinished(
  parts: InterruptedCopyParts,
  plan: CopyPlan,
  head: ImageHead,
  deadline: Deadline,
): Promise<boolean> {
  const { rbd, log, interruptedCreates } = parts;
  const { at, volume, source } = plan;
  const parent = await rbd.parentById(at, head.id, deadline);
  if (parent === undefined) {
    await refuseUnlessBegun(parts, plan, head, deadline);
    const why = 'it does not stand on it yet';
    await interruptedCreates.clearCopy(at, head.id, { source: source.id, why }, deadline);
    return false;
  }
  await refuseOtherParent(parts, plan, parent, deadline);
  const watchers = await rbd.watchers(at, deadline);
  if (watchers.length > 0) {
    const why = `it is open at ${watchers.map(({ address }) => address).join(', ')}`;
    throw berthError('BERTH_COPY_UNFINISHED', { image: at.image, source: source.id, age: 0, why });
  }
  if (!(await rbd.isUnwritten(at, deadline))) throw foreignError(plan, 'it holds data of its own');
  if (!parent.isLinked) {
    const why = 'its source does not know of it yet';
    await interruptedCreates.clearCopy(at, head.id, { source: source.id, why }, deadline);
    return false;
  }
  log.warn({ volume, source: source.id }, 'completing a copy that was cut short: it lacked nothing but its records');
  return true;
}

/**
 * An image without a parent is all that there is of a copy for a moment, also of one that another controller makes just
 * now: who has it open, or a parent that has come since it was looked at, is no stranger then. BERTH_IMAGE_FOREIGN
 * where it can be no beginning of this copy.
 */
async function refuseUnlessBegun(
  { rbd }: InterruptedCopyParts,
  plan: CopyPlan,
  head: ImageHead,
  deadline: Deadline,
): Promise<void> {
  const { at, source } = plan;
  refuseForeignHead({ ...plan, shape: { ...plan.shape, features: copyFeatures(plan) } }, head);
  const { parent, snapshots, watchers } = await rbd.inspect(at, deadline);
  if (snapshots.length > 0) throw foreignError(plan, 'it has snapshots');
  if (parent !== undefined || watchers.length > 0) {
    const who = watchers.map(({ address }) => address).join(', ');
    const why = parent === undefined ? `it is open at ${who}` : 'it is being made just now';
    throw berthError('BERTH_COPY_UNFINISHED', { image: at.image, source: source.id, age: 0, why });
  }
  if (!(await rbd.isUnwritten(at, deadline))) throw foreignError(plan, 'it holds data');
}

/** BERTH_IMAGE_FOREIGN unless it stands on what is asked for; BERTH_SOURCE_NOT_FOUND where that cannot be told. */
async function refuseOtherParent(
  parts: InterruptedCopyParts,
  plan: CopyPlan,
  parent: CloneParent,
  deadline: Deadline,
): Promise<void> {
  const { source, parameters, secrets } = plan;
  const { pool, namespace, imageId, snapshotId } = parent;
  const id = readSource(source);
  const isThere = id?.cluster === parameters.cluster && id.pool === pool && id.namespace === namespace;
  const its = id !== undefined && 'snapshotId' in id ? id : undefined;
  const isSame =
    its === undefined
      ? await isCutOf(
          parts,
          plan,
          await findSource(parts, { source, cluster: parameters.cluster, secrets }, deadline),
          parent,
          deadline,
        )
      : its.imageId === imageId && its.snapshotId === snapshotId;
  if (isThere && isSame) return;
  throw foreignError(plan, `it stands on snapshot ${snapshotId} of image id ${imageId}, and not on ${source.id}`);
}

/** Not a snapshot that somebody else has made, which would be trashed. */
async function isCutOf(
  { rbd }: InterruptedCopyParts,
  plan: CopyPlan,
  { place, head }: FoundSource,
  { imageId, snapshotId }: CloneParent,
  deadline: Deadline,
): Promise<boolean> {
  if (head.id !== imageId) return false;
  const { snapshot } = (await rbd.snapshotById(place, imageId, snapshotId, deadline)) ?? {};
  return snapshot?.kind === 'trash' || snapshot?.name === cutName(plan);
}
