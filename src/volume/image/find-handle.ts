/**
 * Which volume is meant by a pool and an image, and perhaps monitors: what users of FlexVolume write, who never heard
 * of a cluster's name.
 */
import { berthError } from '../../model/errors.js';
import { formatVolumeId, isPlaceName } from '../../model/volume-id.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import { endpointsOf } from '../../rbd/monitor-address.js';

/** What of the clusters file a search takes. */
export type HandleLookup = Pick<Clusters, 'all' | 'get' | 'listed'>;

export interface ImageAsked {
  /** By its name in clusters.yaml. */
  readonly cluster: string | undefined;
  /** Only to tell clusters apart: the volume is reached by the monitors of clusters.yaml. */
  readonly monitors: readonly string[];
  readonly pool: string;
  readonly namespace: string;
  readonly image: string;
}

/**
 * The volume's handle. BERTH_FIELD_INVALID, BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS; BERTH_FIELD_INVALID too where
 * several clusters could be meant.
 */
export async function findHandle(clusters: HandleLookup, asked: ImageAsked): Promise<string> {
  const { pool, namespace, image } = asked;
  for (const [field, name] of Object.entries({ pool, namespace: namespace || 'none', image })) {
    if (!isPlaceName(name))
      throw berthError('BERTH_FIELD_INVALID', { field, why: `${name} is not a name that Berth can use` });
  }
  const cluster = await findCluster(clusters, asked);
  await clusters.listed({ cluster, pool, namespace });
  return formatVolumeId({ cluster, pool, namespace, image });
}

async function findCluster(clusters: HandleLookup, asked: ImageAsked): Promise<string> {
  const { cluster, monitors, pool, namespace } = asked;
  if (cluster !== undefined) return (await clusters.get(cluster)).id;
  const all = await clusters.all();
  const byMonitor = monitors.length === 0 ? all : all.filter((one) => shares(one, monitors));
  const why = 'no cluster of clusters.yaml has one of them';
  if (byMonitor.length === 0) throw berthError('BERTH_FIELD_INVALID', { field: 'monitors', why });
  const holds = ({ pools }: ClusterConfig): boolean =>
    pools.some(({ name, namespaces }) => name === pool && namespaces.includes(namespace));
  const [first, second] = byMonitor.length === 1 ? byMonitor : byMonitor.filter(holds);
  if (first === undefined)
    throw berthError('BERTH_POOL_NOT_OURS', { pool, cluster: byMonitor.map(({ id }) => id).join(', ') });
  if (second !== undefined) {
    const several = `clusters ${first.id} and ${second.id} both have pool ${pool}; say clusterID, or monitors`;
    throw berthError('BERTH_FIELD_INVALID', { field: 'pool', why: several });
  }
  return first.id;
}

/** By host alone: an old pod spec names the port of the first messenger, clusters.yaml perhaps only the second's. */
function shares(config: ClusterConfig, monitors: readonly string[]): boolean {
  const hosts = new Set(config.monitors.flatMap(endpointsOf).map(({ host }) => host));
  return monitors.flatMap(endpointsOf).some(({ host }) => hosts.has(host));
}
