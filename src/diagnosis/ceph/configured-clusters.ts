/** Can the clusters file be used? The checks of each cluster start from what it lists. */
import type { Finding } from '../../model/finding.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters } from '../../rbd/clusters.js';
import { messageOf } from '../message-of.js';

/** Nothing where it can. */
export async function checkClustersFile(clusters: Pick<Clusters, 'all'>): Promise<readonly Finding[]> {
  try {
    await clusters.all();
    return [];
  } catch (error) {
    return [{ name: 'clusters-file', level: 'failed', says: messageOf(error) }];
  }
}

/** None where the file cannot be used: {@link checkClustersFile} says so. */
export const configuredClusters = (clusters: Pick<Clusters, 'all'>): Promise<readonly ClusterConfig[]> =>
  clusters.all().catch(() => []);
