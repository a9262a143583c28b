/** The Ceph user of one volume on one node, as attach and detach make and drop him. */
import { whyNotCapped, capsOf } from '../../../attachment/users/volume-caps.js';
import type { VolumeUsers } from '../../../attachment/users/volume-users.js';
import type { NodeIdentity } from '../../../attachment/node-identity.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { Credentials, FoundVolume, ImageLookup } from '../../image/find-volume.js';
import { grantsOf } from './granted.js';
import { reachOf } from './volume-reach.js';

export interface AttachUserParts {
  readonly rbd: ImageLookup['rbd'] & Pick<RbdPort, 'objectsById'>;
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'registry'>;
  readonly volumeUsers: Pick<VolumeUsers, 'make'>;
}

/** An attach that was granted. */
export interface Granted {
  readonly found: FoundVolume;
  readonly node: NodeIdentity;
  readonly grant: string;
  readonly readOnly: boolean;
  /** By which the record is read. */
  readonly secrets: Credentials | undefined;
}

/**
 * By the controller's user of the clusters file, whoever the call's secrets name: the right to make users is his alone.
 * A repeated attach finds the user that is there. BERTH_VOLUME_USER_FAILED.
 */
export async function makeAttachUser(
  { rbd, clusters, volumeUsers }: AttachUserParts,
  { found, node, grant, readOnly, secrets }: Granted,
  deadline: Deadline,
): Promise<void> {
  const { volume, id } = found;
  const registry = await clusters.registry(id.cluster, 'controller', deadline);
  const caps = async () => {
    const reach = await reachOf(rbd, found, readOnly, deadline);
    const why = whyNotCapped(reach);
    if (why !== undefined) throw berthError('BERTH_VOLUME_USER_FAILED', { volume, why });
    return capsOf(reach);
  };
  const granted = () => grantsOf({ rbd, clusters }, { volume, secrets }, deadline);
  await volumeUsers.make(registry, { grant, node, volume, caps, granted }, deadline);
}
