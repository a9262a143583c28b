/** What a volume's user has to reach: the image, and all that it stands on. */
import type { CappedImage, VolumeReach } from '../../../attachment/users/volume-caps.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { ClusterAccess, RbdPort } from '../../../rbd/port.js';
import type { ParentSnapshot } from '../../../rbd/port/clone-port.js';
import type { FoundVolume } from '../../image/find-volume.js';

/** As far as any client follows a chain, in images. */
const DEEPEST = 64;

type Reached = Omit<ParentSnapshot, 'snapshotId'>;

/**
 * One OSD operation an image. What is below may be flattened meanwhile, and then it is less: never more.
 * BERTH_VOLUME_NOT_FOUND.
 */
export async function reachOf(
  rbd: Pick<RbdPort, 'objectsById'>,
  { volume, at, head }: Pick<FoundVolume, 'volume' | 'at' | 'head'>,
  readOnly: boolean,
  deadline: Deadline,
): Promise<VolumeReach> {
  const { access, pool, namespace, image } = at;
  const [own, ...below] = await chainOf(rbd, access, { pool, namespace, imageId: head.id }, deadline);
  if (own === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  return { image, own, below, readOnly };
}

async function chainOf(
  rbd: Pick<RbdPort, 'objectsById'>,
  access: ClusterAccess,
  first: Reached,
  deadline: Deadline,
): Promise<readonly CappedImage[]> {
  const chain: CappedImage[] = [];
  for (let image: Reached | undefined = first; image !== undefined && chain.length < DEEPEST; ) {
    const { pool, namespace, imageId } = image;
    const objects = await rbd.objectsById({ access, pool, namespace }, imageId, deadline);
    if (objects === undefined) break;
    chain.push({ pool, namespace, imageId, data: objects.data });
    image = objects.parent;
  }
  return chain;
}
