/** From a volume's handle to its image: where it points, and what Ceph has there. */
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import { parseVolumeId, type VolumeId } from '../../model/volume-id.js';
import type { Clusters, Credentials, Role } from '../../rbd/clusters.js';
import type { ImageHead, ImageRef, PoolRef, RbdPort } from '../../rbd/port.js';

export type { Credentials } from '../../rbd/clusters.js';

/** What finding a volume's image takes: the clusters file, and two reads of Ceph. */
export interface ImageLookup {
  readonly clusters: Pick<Clusters, 'all' | 'image'>;
  readonly rbd: Pick<RbdPort, 'head'>;
}

/** A volume that a handle names and Ceph has. */
export interface FoundVolume {
  readonly volume: string;
  readonly id: VolumeId;
  readonly at: ImageRef;
  readonly head: ImageHead;
}

/** Where a handle points; undefined for a handle that cannot be one of ours, or names a cluster or pool that is not. */
export async function locate(
  clusters: Pick<Clusters, 'all' | 'image'>,
  volume: string,
  role: Role,
  secrets: Credentials | undefined,
): Promise<{ readonly id: VolumeId; readonly at: ImageRef } | undefined> {
  const id = parseVolumeId(volume);
  if (id === undefined) return undefined;
  const config = (await clusters.all()).find((one) => one.id === id.cluster);
  const pool = config?.pools.find((one) => one.name === id.pool);
  if (pool?.namespaces.includes(id.namespace) !== true) return undefined;
  return { id, at: await clusters.image(id, role, secrets) };
}

/** The pool that a volume's data fills: not its own where a data pool (erasure coded) was asked for. */
export const dataHome = (at: PoolRef, dataPool: string | undefined): PoolRef =>
  dataPool === undefined ? at : { ...at, pool: dataPool };

/**
 * Refuses a handle of ours whose place the clusters file does not list, most likely by a mistake in it: a delete would
 * otherwise answer OK and leave the image behind. BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS.
 */
export async function refuseUnlisted(clusters: Pick<Clusters, 'listed'>, volume: string): Promise<void> {
  const id = parseVolumeId(volume);
  if (id !== undefined) await clusters.listed(id);
}

/** Two OSD operations; undefined where there is no such volume. */
export async function findVolume(
  lookup: ImageLookup,
  volume: string,
  role: Role,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundVolume | undefined> {
  const place = await locate(lookup.clusters, volume, role, secrets);
  if (place === undefined) return undefined;
  const head = await lookup.rbd.head(place.at, deadline);
  return head === undefined ? undefined : { volume, ...place, head };
}

/** As {@link findVolume}, but BERTH_VOLUME_NOT_FOUND where there is none. */
export async function mustFindVolume(
  lookup: ImageLookup,
  volume: string,
  role: Role,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundVolume> {
  const found = await findVolume(lookup, volume, role, secrets, deadline);
  if (found === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  return found;
}

/** As {@link mustFindVolume}, while `ask` asks something else of the volume's place; an absent volume comes first. */
export async function mustFindVolumeBeside<T>(
  lookup: ImageLookup,
  {
    volume,
    role,
    secrets,
  }: { readonly volume: string; readonly role: Role; readonly secrets: Credentials | undefined },
  ask: (at: ImageRef) => Promise<T>,
  deadline: Deadline,
): Promise<readonly [FoundVolume, T]> {
  const place = await locate(lookup.clusters, volume, role, secrets);
  if (place === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  const [head, answer] = await settleAll(
    lookup.rbd.head(place.at, deadline).then((found) => {
      if (found === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
      return found;
    }),
    ask(place.at),
  );
  return [{ volume, ...place, head }, answer];
}
