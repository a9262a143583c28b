/** On how many images a volume stands, one behind the other; and how many may be. */
import type { Deadline } from '../../../model/deadline.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';

/** In images. */
export interface ChainLimits {
  /** A volume that stands on so many is given data of its own when nobody uses it. */
  readonly toFlatten: number;
  /** One that stands on more is given data of its own before CreateVolume answers. */
  readonly most: number;
}

/**
 * The kernel maps what stands on sixteen and nothing deeper (RBD_MAX_PARENT_CHAIN_LEN of drivers/block/rbd.c); some are
 * left for clones made by hand.
 */
export const CHAIN_LIMITS: ChainLimits = { toFlatten: 6, most: 12 };
/** A chain is followed no further, in images. */
const WALK = 64;

export interface DepthParts {
  readonly rbd: Pick<RbdPort, 'cloneById'>;
}

/** Counted each time, for any image below may have been flattened since. One OSD operation an image. */
export async function countParents(
  { rbd }: DepthParts,
  at: PoolRef,
  imageId: string,
  deadline: Deadline,
): Promise<number> {
  const { access } = at;
  let image = { pool: at.pool, namespace: at.namespace, imageId };
  for (let depth = 0; depth < WALK; depth += 1) {
    const { pool, namespace } = image;
    const clone = await rbd.cloneById({ access, pool, namespace }, image.imageId, deadline);
    if (clone === undefined) return depth;
    image = clone.parent;
  }
  return WALK;
}
