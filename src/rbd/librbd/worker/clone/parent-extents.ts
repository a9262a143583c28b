/** What a clone has of the images below it, as librbd's diff tells it: only where that tells all. */
import type { LinkObstacle } from '../../../port/clone-port.js';
import type { ExtentBatch } from '../../../port/diff-port.js';
import { ExtentList } from '../diff/extent-list.js';
import { extentsIn, windowOf } from '../diff/read-extents.js';
import { unlessImageAbsent } from '../image-header.js';
import { numberOf, withImage } from '../open/open-image.js';
import type { OpenPool } from '../open-pool.js';
import { readClone } from './clone-parent.js';

/** One window of the diff. Undefined where the image stands on nothing, or is gone. Errors as CephErrno. */
export const readParentExtents = (
  place: OpenPool,
  imageId: string,
  from: bigint,
): Promise<ExtentBatch | { readonly obstacle: LinkObstacle } | undefined> =>
  unlessImageAbsent(place, async () => {
    const { ceph } = place.link;
    const clone = await readClone(place, imageId);
    if (clone === undefined) return undefined;
    // What the diff overlooks is copied by nobody, and lost with the link.
    if (!ceph.tellsParents) return { obstacle: 'old client' };
    return withImage(place, { id: imageId }, 'read-only', async (image) => {
      const overlap = await numberOf(ceph.rbd.overlap, image, 'get overlap');
      const [period, window] = await windowOf(place, image, BigInt(clone.head.objectSizeBytes));
      const begin = from - (from % period);
      const end = begin + window < overlap ? begin + window : overlap;
      // In the order of bytes: a striped image's come in that of objects.
      const extents = new ExtentList();
      if (begin < end) extents.append(await extentsIn(place, image, null, begin, end - begin));
      return { extents: extents.toArray(), next: end < overlap ? end : undefined };
    });
  });
