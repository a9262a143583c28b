/** The part of the port that is about several images at one moment. */
import type { Deadline } from '../../model/deadline.js';
import type { PoolSpec } from '../../model/volume-id.js';
import type { ClusterAccess } from './port-values.js';

/** An image of a cluster, whatever it is called. */
export interface ImageById extends PoolSpec {
  readonly imageId: string;
}

export interface GroupPort {
  /**
   * Take a snapshot of this name of each image, all at one moment, and say their ids in the same order. No write after
   * the cut in one image that follows from a write before it in another is missing there; writers wait meanwhile, some
   * 20 s at most. Two calls over the same images must name them in the same order. Where it fails, snapshots of some
   * images may stay: the caller removes them.
   * BERTH_IMAGE_NOT_FOUND, BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE; BERTH_GROUP_UNFIT where one has no feature
   * exclusive-lock, BERTH_GROUP_NOT_HELD where it may be repeated.
   */
  cutTogether(
    access: ClusterAccess,
    images: readonly ImageById[],
    snapshot: string,
    deadline: Deadline,
  ): Promise<readonly bigint[]>;
}
