/** Is each listed place there, and may both users read it? Asked before anything is created, so nothing is written. */
import { REGISTRY_OBJECT } from '../../attachment/registry/registry-marks.js';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters, Role } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import { configuredClusters } from '../ceph/configured-clusters.js';
import { messageOf } from '../message-of.js';

export interface PoolParts {
  readonly rbd: Pick<RbdPort, 'listRecords'>;
  readonly clusters: Pick<Clusters, 'all' | 'access'>;
  readonly roles: readonly Role[];
}

interface Place {
  readonly config: ClusterConfig;
  readonly role: Role;
  readonly pool: string;
  readonly namespace: string;
}

/** One finding for each place and user that is let in; who is not let in is told by the check of the cluster. */
export async function checkPools(parts: PoolParts, deadline: Deadline): Promise<readonly Finding[]> {
  const all = await configuredClusters(parts.clusters);
  const places = all.flatMap((config) =>
    config.pools.flatMap(({ name: pool, namespaces }) =>
      namespaces.flatMap((namespace) => parts.roles.map((role): Place => ({ config, role, pool, namespace }))),
    ),
  );
  return Promise.all(places.map((place) => checkPlace(parts, place, deadline)));
}

async function checkPlace(
  { rbd, clusters }: PoolParts,
  { config, role, pool, namespace }: Place,
  deadline: Deadline,
): Promise<Finding> {
  const name = `pool ${[config.id, pool, ...(namespace === '' ? [] : [namespace])].join('/')} (${role})`;
  try {
    const access = await clusters.access(config, role);
    await rbd.listRecords({ access, pool, namespace }, REGISTRY_OBJECT, '', 1, deadline);
    return { name, level: 'ok', says: `client.${access.user} reads it` };
  } catch (error) {
    return { name, level: 'failed', says: messageOf(error) };
  }
}
