/** What a volume is to be copied from: a snapshot or a volume of the same cluster, found by its handle. */
import { readDeleteClaim } from '../../../../attachment/holder-record.js';
import type { Deadline } from '../../../../model/deadline.js';
import { berthError } from '../../../../model/errors.js';
import { parseSnapshotId, type SnapshotId } from '../../../../model/snapshot/snapshot-id.js';
import { parseVolumeId, type PoolSpec, type VolumeId } from '../../../../model/volume-id.js';
import type { Clusters, Credentials } from '../../../../rbd/clusters.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../../rbd/port.js';
import { refuseHalfGrown } from '../../../image/growth-record.js';
import type { ContentSource } from '../../../image/volume-record.js';
import { isOurSnapshot } from '../../snapshot/snapshot-name.js';

export interface SourceParts {
  readonly clusters: Pick<Clusters, 'all' | 'pool'>;
  readonly rbd: Pick<RbdPort, 'head' | 'nameById' | 'snapshotById'>;
}

/** Who asks for a copy. */
export interface SourceAsked {
  readonly source: ContentSource;
  /** The copy's own, by its name in the clusters file. */
  readonly cluster: string;
  readonly secrets: Credentials | undefined;
}

/** A source that is there. */
export interface FoundSource {
  readonly place: PoolRef;
  /** As it is called now. */
  readonly image: string;
  readonly head: ImageHead;
  /** Undefined for a volume, of which a snapshot is cut first. */
  readonly snapshot: { readonly id: bigint; readonly name: string; readonly sizeBytes: bigint } | undefined;
}

const notFoundError = (source: string): Error => berthError('BERTH_SOURCE_NOT_FOUND', { source });

/**
 * BERTH_SOURCE_NOT_FOUND for what is not there, cannot be a handle of ours, lies in no place of ours, is no snapshot of
 * ours, or is being deleted; BERTH_SOURCE_UNFIT for what is of another cluster, or cannot be cloned. One or two OSD
 * operations.
 */
export async function findSource(parts: SourceParts, asked: SourceAsked, deadline: Deadline): Promise<FoundSource> {
  const { kind, id } = asked.source;
  const found =
    kind === 'snapshot' ? await findSnapshot(parts, asked, deadline) : await findVolume(parts, asked, deadline);
  if (!found.head.features.includes('layering')) {
    throw berthError('BERTH_SOURCE_UNFIT', {
      source: id,
      why: 'its image lacks the feature layering, without which nothing can stand on it',
      todo: 'copy the data, or take a source of a class with the image feature layering',
    });
  }
  return found;
}

/** Where the handle of a source points. */
export const readSource = ({ kind, id }: ContentSource): SnapshotId | VolumeId | undefined =>
  kind === 'snapshot' ? parseSnapshotId(id) : parseVolumeId(id);

async function findSnapshot({ clusters, rbd }: SourceParts, asked: SourceAsked, deadline: Deadline) {
  const { id: handle } = asked.source;
  const id = parseSnapshotId(handle);
  if (id === undefined) throw notFoundError(handle);
  const place = await placeOf(clusters, id, asked);
  const found = await rbd.snapshotById(place, id.imageId, id.snapshotId, deadline);
  // As for every other call, there are no snapshots but ours: others come and go without anybody's telling.
  const isOurs = found !== undefined && isOurSnapshot(found.snapshot);
  const image = isOurs ? await rbd.nameById(place, id.imageId, deadline) : undefined;
  if (!isOurs || image === undefined) throw notFoundError(handle);
  const { head, snapshot } = found;
  return { place, image, head, snapshot };
}

async function findVolume({ clusters, rbd }: SourceParts, asked: SourceAsked, deadline: Deadline) {
  const { id: handle } = asked.source;
  const id = parseVolumeId(handle);
  if (id === undefined) throw notFoundError(handle);
  const place = await placeOf(clusters, id, asked);
  const head = await rbd.head({ ...place, image: id.image }, deadline);
  if (head === undefined || readDeleteClaim(head, handle) !== undefined) throw notFoundError(handle);
  const at = { ...place, image: id.image };
  refuseHalfGrown({ volume: handle, head }, 'a copy of it would be half grown as well');
  return { place, image: at.image, head, snapshot: undefined };
}

/** Reached as the copy is: both are of one cluster, and one client makes the link between them. */
async function placeOf(
  clusters: SourceParts['clusters'],
  at: PoolSpec & { readonly cluster: string },
  { source, cluster, secrets }: SourceAsked,
): Promise<PoolRef> {
  const config = (await clusters.all()).find((one) => one.id === at.cluster);
  const pool = config?.pools.find((one) => one.name === at.pool);
  if (pool?.namespaces.includes(at.namespace) !== true) throw notFoundError(source.id);
  if (at.cluster !== cluster) {
    throw berthError('BERTH_SOURCE_UNFIT', {
      source: source.id,
      why: `it is in cluster ${at.cluster}, and the volume is to be in ${cluster}`,
      todo: 'restore it by a StorageClass of its own cluster, and copy the data from there',
    });
  }
  return clusters.pool(at, 'controller', secrets);
}
