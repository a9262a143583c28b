/** A volume that has left a node takes its Ceph user along. */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { isSameNode, type Installation } from '../../../attachment/node-identity.js';
import type { VolumeUsers } from '../../../attachment/users/volume-users.js';
import type { Deadline } from '../../../model/deadline.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import { findVolume, type Credentials, type ImageLookup } from '../../image/find-volume.js';
import { nodeNamed } from '../own-holders.js';

export interface DropUsersParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'registry'>;
  readonly installation: Pick<Installation, 'known'>;
  /** Undefined where volumes have no users of their own. */
  readonly volumeUsers?: Pick<VolumeUsers, 'dropOthers'> | undefined;
}

/**
 * To be called behind every detach that has succeeded, also one that found nothing to do: the one before may have been
 * cut short between the record and the user. What the record grants by now is left alone. Errors of Ceph; the call may
 * be repeated.
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
  if (volumeUsers === undefined || cluster === undefined || node === '') return;
  const named = await nodeNamed(parts.installation, node, deadline);
  const registry = await clusters.registry(cluster, 'controller', deadline);
  const granted = async (): Promise<string | undefined> => {
    const found = await findVolume(parts, volume, 'controller', secrets, deadline);
    const record = found && readHolderRecord(found.head, volume);
    return record?.holders.find((one) => isSameNode(one, named))?.grant;
  };
  await volumeUsers.dropOthers(registry, named, { volume, granted }, deadline);
}
