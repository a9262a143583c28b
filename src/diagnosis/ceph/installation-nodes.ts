/**
 * Is it known whose nodes these are, and do controller and node plugins agree on it? Where they do not, every attach is
 * refused.
 */
import type { Installation } from '../../attachment/node-identity.js';
import { listInstallations } from '../../attachment/nodes/all-registrations.js';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters, Role } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import { messageOf } from '../message-of.js';
import { configuredClusters } from './configured-clusters.js';

export interface InstallationParts {
  readonly rbd: Pick<RbdPort, 'listRecords'>;
  readonly clusters: Pick<Clusters, 'all' | 'registry'>;
  readonly installation: Pick<Installation, 'known'>;
  readonly roles: readonly Role[];
}

const NAME = 'installation';

/** Nothing where all is well, or where a cluster does not let us in: that is said already. */
export async function checkInstallation(parts: InstallationParts, deadline: Deadline): Promise<readonly Finding[]> {
  let own: string;
  try {
    own = await parts.installation.known(deadline);
  } catch (error) {
    return [{ name: NAME, level: 'failed', says: `nothing is attached or staged: ${messageOf(error)}` }];
  }
  if (!parts.roles.includes('controller')) return [];
  const all = await configuredClusters(parts.clusters);
  return (await Promise.all(all.map((one) => compare(parts, own, one, deadline)))).flat();
}

async function compare(
  { rbd, clusters }: InstallationParts,
  own: string,
  { id }: ClusterConfig,
  deadline: Deadline,
): Promise<readonly Finding[]> {
  try {
    const registry = await clusters.registry(id, 'controller', deadline);
    const installations = await listInstallations(rbd, registry, deadline);
    // One that did not say is of an earlier Berth, and known by its name.
    if (installations.size === 0 || installations.has(own) || installations.has(undefined)) return [];
    const there = [...installations].map((one) => (one === '' ? 'none' : one)).join(', ');
    const says =
      `no node is registered of this controller's installation (${own === '' ? 'none' : own}), only of ${there}; ` +
      'where those are its nodes, give both the same --installation, or the same API';
    return [{ name: `${NAME} ${id}`, level: 'warning', says }];
  } catch {
    return [];
  }
}
