/** GetCapacity: bytes that pools can still take. */
import type { Deadline } from '../../model/deadline.js';
import type { PoolRef } from '../../rbd/port.js';
import { parseParameters } from '../image/parameters.js';
import { type ControllerRoom } from './controller-room.js';
import { dataHome } from '../image/find-volume.js';

/** Bytes that can still be written: in the pool that the parameters name, or in all of ours. */
export async function availableCapacity(
  room: ControllerRoom,
  parameters: Readonly<Record<string, string>>,
  deadline: Deadline,
): Promise<{ readonly available: bigint; readonly largest: bigint | undefined }> {
  const wanted = Object.keys(parameters).length > 0 ? parseParameters(parameters) : undefined;
  const places =
    wanted === undefined
      ? distinctPools(await room.clusters.pools('controller'))
      : [dataHome(await room.clusters.pool(wanted, 'controller'), wanted.dataPool)];
  const stats = await Promise.all(places.map((place) => room.poolCapacity.stats(place, deadline)));
  const available = stats.reduce((sum, one) => sum + (one.availableBytes ?? 0n), 0n);
  const most = stats.flatMap((one) => (one.availableBytes === undefined ? [] : [one.availableBytes + one.storedBytes]));
  return {
    available,
    largest: most.reduce<bigint | undefined>((a, b) => (a === undefined || b > a ? b : a), undefined),
  };
}

/** Namespaces share their pool's space: count it once. */
const distinctPools = (places: readonly PoolRef[]): readonly PoolRef[] => [
  ...new Map(places.map((place) => [`${place.access.cluster}/${place.pool}`, place])).values(),
];
