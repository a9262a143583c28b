/** A copy on a long chain is put on the list of those that are to stand alone, or waited for until it does. */
import type { Deadline } from '../../../../model/deadline.js';
import { berthError } from '../../../../model/errors.js';
import type { Credentials } from '../../../../rbd/clusters.js';
import type { ImageRef } from '../../../../rbd/port.js';
import type { ParentSnapshot } from '../../../../rbd/port/clone-port.js';
import type { Operation } from '../../../operation/operations.js';
import { countParents, type DepthParts } from '../../flatten/chain-depth.js';
import type { FlattenQueue, ToFlatten } from '../../flatten/flatten-list.js';

export interface ChainParts extends DepthParts {
  readonly flattens: FlattenQueue;
}

/** Of the copy: where it is, and who asks for it. */
export interface ChainPlan {
  readonly at: ImageRef;
  readonly volume: string;
  readonly parameters: { readonly cluster: string };
  readonly secrets: Credentials | undefined;
}

const imageOf = ({ at: { pool, namespace }, volume }: ChainPlan, imageId: string): ToFlatten => ({
  ...{ pool, namespace, imageId, volume },
});

/**
 * On how many images the copy stands; one that is deep is on the list afterwards. It comes before the volume is
 * recorded, so that no deep one is forgotten.
 * @param parent what it stands on, where the caller knows; `isClone` says whether that stands on something
 */
export async function enlistDeep(
  parts: ChainParts,
  plan: ChainPlan,
  imageId: string,
  parent: (ParentSnapshot & { readonly isClone?: boolean | undefined }) | undefined,
  operation: Operation<'list as deep' | 'stand alone'>,
  deadline: Deadline,
): Promise<number> {
  const { access } = plan.at;
  // What stands alone never stands on anything again.
  const depth =
    parent === undefined
      ? await countParents(parts, plan.at, imageId, deadline)
      : parent.isClone === false
        ? 1
        : 1 + (await countParents(parts, { access, ...parent }, parent.imageId, deadline));
  if (depth < parts.flattens.limits.toFlatten) return depth;
  operation.step('list as deep');
  await parts.flattens.enlist(plan.parameters.cluster, imageOf(plan, imageId), plan.secrets, deadline);
  return depth;
}

/**
 * One that is too deep is no answer yet: nobody can have it open before he knows of it, so nothing stands in the way.
 * BERTH_COPY_FLATTENING until it stands alone.
 */
export async function settleChain(
  { flattens }: ChainParts,
  plan: ChainPlan,
  imageId: string,
  depth: number,
  operation: Operation<'list as deep' | 'stand alone'>,
  deadline: Deadline,
): Promise<void> {
  const { volume, parameters, secrets } = plan;
  const image = imageOf(plan, imageId);
  if (depth >= flattens.limits.toFlatten) flattens.begin(parameters.cluster, image, secrets);
  if (depth <= flattens.limits.most) return;
  operation.step('stand alone');
  const percent = await flattens.hurry(parameters.cluster, image, secrets, deadline);
  if (percent !== undefined) throw berthError('BERTH_COPY_FLATTENING', { volume, depth, percent });
}
