/** From an image's id, which the names of its objects in RADOS carry, to its volume. */
import type { Deadline } from '../../../model/deadline.js';
import { formatVolumeId } from '../../../model/volume-id.js';
import type { Clusters, Role } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';

export interface FindImageIdParts {
  readonly clusters: Pick<Clusters, 'pools'>;
  readonly rbd: Pick<RbdPort, 'nameById'>;
}

/**
 * Its handle; undefined where no listed place has it. One OSD operation a place. Errors of the port where a place
 * cannot be asked and no other one has it: it may be there.
 */
export async function findImageId(
  { clusters, rbd }: FindImageIdParts,
  { imageId, role }: { readonly imageId: string; readonly role: Role },
  deadline: Deadline,
): Promise<string | undefined> {
  const failures: Error[] = [];
  for (const place of await clusters.pools(role)) {
    try {
      const image = await rbd.nameById(place, imageId, deadline);
      const { access, pool, namespace } = place;
      if (image !== undefined) return formatVolumeId({ cluster: access.cluster, pool, namespace, image });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  return undefined;
}
