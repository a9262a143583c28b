/** What the controller's use cases stand on, wired once in main. */
import type { Holders } from '../attachment/holders.js';
import type { Nodes } from '../attachment/nodes.js';
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';
import { parseVolumeId, type VolumeId } from '../model/volume-id.js';
import type { Logger } from '../observe/log.js';
import type { Clusters, Credentials, Role } from '../rbd/clusters.js';
import type { ImageHead, ImageRef, PoolRef, RbdPort } from '../rbd/port.js';
import type { FencingRoom } from './fencing-room.js';
import type { Operations } from './operations.js';
import type { ControllerSteps } from './steps.js';
import type { PoolCapacity } from './pool-capacity.js';
import type { Unfinished } from './unfinished.js';

export type { Credentials } from '../rbd/clusters.js';

export interface ControllerRoom {
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holders: Holders;
  readonly nodes: Nodes;
  readonly capacity: PoolCapacity;
  readonly unfinished: Unfinished;
  readonly fencing: FencingRoom;
  readonly operations: Operations<ControllerSteps>;
  readonly log: Logger;
  readonly now: () => Date;
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
  clusters: Clusters,
  volume: string,
  role: Role,
  secrets: Credentials | undefined,
): Promise<{ readonly id: VolumeId; readonly at: ImageRef } | undefined> {
  const id = parseVolumeId(volume);
  if (id === undefined) return undefined;
  const config = (await clusters.all()).find((one) => one.id === id.cluster);
  const pool = config?.pools.find((one) => one.name === id.pool);
  if (pool?.namespaces.includes(id.namespace) !== true) return undefined;
  return { id, at: { ...(await clusters.pool(id, role, secrets)), image: id.image } };
}

/** The pool that a volume's data fills: not its own where a data pool (erasure coded) was asked for. */
export const dataHome = (at: PoolRef, dataPool: string | undefined): PoolRef =>
  dataPool === undefined ? at : { ...at, pool: dataPool };

/**
 * For what must not take "not found" for "gone": CLUSTER_UNKNOWN or POOL_NOT_OURS for a handle of ours whose place the clusters
 * file does not list, most likely by a mistake in it; a delete would otherwise answer OK and leave the image behind.
 */
export async function refuseUnlisted(clusters: Clusters, volume: string): Promise<void> {
  const id = parseVolumeId(volume);
  if (id !== undefined) await clusters.listed(id);
}

/** Two OSD operations; undefined where there is no such volume. */
export async function findVolume(
  room: Pick<ControllerRoom, 'clusters' | 'rbd'>,
  volume: string,
  role: Role,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundVolume | undefined> {
  const place = await locate(room.clusters, volume, role, secrets);
  if (place === undefined) return undefined;
  const head = await room.rbd.head(place.at, deadline);
  return head === undefined ? undefined : { volume, ...place, head };
}

/** As {@link findVolume}, but VOLUME_NOT_FOUND where there is none. */
export async function mustFindVolume(
  room: Pick<ControllerRoom, 'clusters' | 'rbd'>,
  volume: string,
  role: Role,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundVolume> {
  const found = await findVolume(room, volume, role, secrets, deadline);
  if (found === undefined) throw fail('VOLUME_NOT_FOUND', { volume });
  return found;
}
