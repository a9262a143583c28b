/** Does each cluster let in the user of each service? */
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { Finding } from '../../model/finding.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters, Role } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import { messageOf } from '../message-of.js';
import { configuredClusters } from './configured-clusters.js';

export interface AccessParts {
  readonly rbd: Pick<RbdPort, 'identify'>;
  readonly clusters: Pick<Clusters, 'all' | 'access'>;
  readonly roles: readonly Role[];
}

/**
 * One finding for each cluster and role. A cluster that does not let us in stops its own volumes only: it is a warning
 * while another one works.
 */
export async function checkAccess(parts: AccessParts, deadline: Deadline): Promise<readonly Finding[]> {
  const all = await configuredClusters(parts.clusters);
  const asked = parts.roles.flatMap((role) => all.map((one) => checkUser(parts, one, role, deadline)));
  const found = await Promise.all(asked);
  const oneWorks = found.some(({ level }) => level === 'ok');
  return found.map((one) => (oneWorks && one.level === 'failed' ? { ...one, level: 'warning' } : one));
}

async function checkUser(
  { rbd, clusters }: AccessParts,
  config: ClusterConfig,
  role: Role,
  deadline: Deadline,
): Promise<Finding> {
  const name = `cluster ${config.id} (${role})`;
  try {
    const access = await clusters.access(config, role);
    const { fsid } = await rbd.identify(access, deadline);
    return { name, level: 'ok', says: `${fsid} lets in client.${access.user}` };
  } catch (error) {
    const isLate = isBerthError(error, 'BERTH_DEADLINE');
    const todo = '; the lines of its monitors say which of them answer, ceph -s what is wrong behind them';
    return { name, level: 'failed', says: `${messageOf(error)}${isLate ? todo : ''}` };
  }
}
