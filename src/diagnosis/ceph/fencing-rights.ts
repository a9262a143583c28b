/** May the controller fence? Found out now, and not with the first node that dies. */
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import { configuredClusters } from './configured-clusters.js';

export interface FencingRightsParts {
  readonly rbd: Pick<RbdPort, 'blocklistRightsMissing'>;
  readonly clusters: Pick<Clusters, 'all' | 'access'>;
}

/** One finding for each cluster; none for one that does not let us in: that is said already. */
export async function checkFencingRights(parts: FencingRightsParts, deadline: Deadline): Promise<readonly Finding[]> {
  const all = await configuredClusters(parts.clusters);
  return (await Promise.all(all.map((one) => checkRights(parts, one, deadline)))).flat();
}

async function checkRights(
  { rbd, clusters }: FencingRightsParts,
  config: ClusterConfig,
  deadline: Deadline,
): Promise<readonly Finding[]> {
  const name = `fencing ${config.id}`;
  try {
    const access = await clusters.access(config, 'controller');
    const missing = await rbd.blocklistRightsMissing(access, deadline);
    if (missing.length === 0) return [{ name, level: 'ok', says: `client.${access.user} may fence and renew fences` }];
    const what = missing.map((right) => `osd blocklist ${right}`).join(' and ');
    const says =
      `client.${access.user} may not ${what}: a node that dies keeps its volumes, or its fence cannot be renewed; ` +
      'give it the caps of docs/ceph-users.md, or set --fencing never';
    return [{ name, level: 'failed', says }];
  } catch {
    return [];
  }
}
