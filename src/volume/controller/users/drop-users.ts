/** A volume that has left a node takes its Ceph user along. */
import type { Installation } from '../../../attachment/node-identity.js';
import type { VolumeUsers } from '../../../attachment/users/volume-users.js';
import type { Deadline } from '../../../model/deadline.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { Credentials, ImageLookup } from '../../image/find-volume.js';
import { nodeNamed } from '../own-holders.js';
import { grantsOf } from './granted.js';

export interface DropUsersParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'registry'>;
  readonly installation: Pick<Installation, 'known'>;
  /** Undefined where volumes have no users of their own. */
  readonly volumeUsers?: Pick<VolumeUsers, 'dropOthers'> | undefined;
}

/**
 * From `node`, '' for every one. To be called behind every detach that has succeeded, also one that found nothing to
 * do: the one before may have been cut short between the record and the user. What the record grants by now is left
 * alone. Errors of Ceph; the call may be repeated.
 */
export async function dropUsersOfDetached(
  parts: DropUsersParts,
  {
    volume,
    node,
    secrets,
  }: { readonly volume: string; readonly node: string; readonly secrets: Credentials | undefined },
  deadline: Deadline,
): Promise<void> {
  const { clusters, volumeUsers } = parts;
  const cluster = parseVolumeId(volume)?.cluster;
  if (volumeUsers === undefined || cluster === undefined) return;
  const named = node === '' ? undefined : await nodeNamed(parts.installation, node, deadline);
  const registry = await clusters.registry(cluster, 'controller', deadline);
  const granted = () => grantsOf(parts, { volume, secrets }, deadline);
  await volumeUsers.dropOthers(registry, named, { volume, granted }, deadline);
}
