/**
 * Which images a pod may name, and whether it may ask for a host mount: clusters.yaml says it, for each pool. A volume
 * that CSI made is its claim's and nobody's to name.
 */
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { parseVolumeId, type VolumeId } from '../../model/volume-id.js';
import type { Clusters, Credentials } from '../../rbd/clusters.js';
import type { FlexVolumeConfig } from '../../rbd/clusters-file.js';
import { findVolume, type ImageLookup } from '../image/find-volume.js';
import { PV_NAME_KEY } from '../image/parameters.js';
import { parseVolumeRecord } from '../image/volume-record.js';

export interface AdmitParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'listed'>;
}

/** What a pod's options ask for. */
export interface ImageNamed {
  readonly volume: string;
  readonly allowHostMount: boolean | undefined;
  readonly secrets: Credentials | undefined;
  /** As whom the image is looked at where there are no secrets. */
  readonly role: 'controller' | 'node';
}

/**
 * Does nothing for what a pod may have, also where there is no such image. BERTH_FLEXVOLUME_IMAGE_REFUSED,
 * BERTH_FLEXVOLUME_HOST_MOUNT_REFUSED, BERTH_FLEXVOLUME_CSI_VOLUME, BERTH_RECORD_UNREADABLE, and those of Ceph and of
 * the clusters file.
 */
export async function admitImage(
  { clusters, rbd }: AdmitParts,
  { volume, allowHostMount, secrets, role }: ImageNamed,
  deadline: Deadline,
): Promise<void> {
  const id = parseVolumeId(volume);
  if (id === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  const { pools } = await clusters.listed(id);
  const rule = pools.find(({ name }) => name === id.pool)?.flexVolume;
  refuseUnnamed(rule, id);
  if (allowHostMount === true && rule?.allowHostMount !== true)
    throw berthError('BERTH_FLEXVOLUME_HOST_MOUNT_REFUSED', { volume, pool: id.pool, cluster: id.cluster });
  const found = await findVolume({ clusters, rbd }, volume, role, secrets, deadline);
  if (found === undefined) return;
  const record = parseVolumeRecord(found.head.metadata, volume);
  if (record === undefined) return;
  // By another provisioner than Kubernetes' there is no such label: its CSI name is the next best.
  const name = found.head.metadata.get(PV_NAME_KEY) ?? record.name;
  throw berthError('BERTH_FLEXVOLUME_CSI_VOLUME', { volume, name });
}

function refuseUnnamed(rule: FlexVolumeConfig | undefined, { cluster, pool, image }: VolumeId): void {
  if (rule !== undefined && isNamed(rule, image)) return;
  // In quotes: YAML takes 42 and true for no text.
  const quoted = JSON.stringify(image);
  const said =
    rule === undefined
      ? { why: 'it is not open to FlexVolume', todo: `flexVolume: { images: [${quoted}] } beside the pool’s name` }
      : { why: 'its flexVolume.images do not have it', todo: `${quoted} into flexVolume.images of that pool` };
  throw berthError('BERTH_FLEXVOLUME_IMAGE_REFUSED', { image, pool, cluster, ...said });
}

const isNamed = ({ images }: FlexVolumeConfig, image: string): boolean =>
  images === 'any' || images.some((one) => (one.endsWith('*') ? image.startsWith(one.slice(0, -1)) : one === image));
