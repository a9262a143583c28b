/** GetCapacity: bytes that pools can still take. */
import type { Deadline } from '../../model/deadline.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { PoolRef } from '../../rbd/port.js';
import { parseParameters } from '../image/parameters.js';
import { dataHome } from '../image/find-volume.js';
import type { PoolCapacity } from './pool-capacity.js';

export interface GetCapacityParts {
  readonly clusters: Pick<Clusters, 'pool' | 'pools'>;
  readonly poolCapacity: Pick<PoolCapacity, 'stats'>;
}

/** Bytes that can still be written: in the pool that the parameters name, or in all of ours. */
export async function availableCapacity(
  { clusters, poolCapacity }: GetCapacityParts,
  parameters: Readonly<Record<string, string>>,
  deadline: Deadline,
): Promise<{ readonly available: bigint; readonly largest: bigint | undefined }> {
  const wanted = Object.keys(parameters).length > 0 ? parseParameters(parameters) : undefined;
  const places =
    wanted === undefined
      ? distinctPools(await clusters.pools('controller'))
      : [dataHome(await clusters.pool(wanted, 'controller'), wanted.dataPool)];
  const stats = await Promise.all(places.map((place) => poolCapacity.stats(place, deadline)));
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
