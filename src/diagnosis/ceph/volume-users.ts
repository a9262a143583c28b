/**
 * Where volumes have Ceph users of their own: may the controller make them, and can a node read its own keys and no
 * others? Found out now, and not by the first attach or the first node that is taken over.
 */
import { randomUUID } from 'node:crypto';
import type { Installation } from '../../attachment/node-identity.js';
import { capsOf } from '../../attachment/users/volume-caps.js';
import { keysObjectOf, userOf } from '../../attachment/users/volume-user.js';
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { Finding } from '../../model/finding.js';
import { NODE_MARK, type ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters, Role } from '../../rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';
import { messageOf } from '../message-of.js';
import { configuredClusters } from './configured-clusters.js';

export interface VolumeUsersParts {
  readonly rbd: Pick<RbdPort, 'makeUser' | 'dropUser' | 'listRecords'>;
  readonly clusters: Pick<Clusters, 'all' | 'access' | 'registry'>;
  readonly installation: Pick<Installation, 'known'>;
  readonly roles: readonly Role[];
  /** Does this controller make users? */
  readonly volumeUsers: boolean;
  readonly nodeId: string;
}

/** Nothing of a cluster that does not let us in: that is said already. */
export async function checkVolumeUsers(parts: VolumeUsersParts, deadline: Deadline): Promise<readonly Finding[]> {
  const all = await configuredClusters(parts.clusters);
  const asked = all.flatMap((one) => [
    ...(parts.roles.includes('controller') && parts.volumeUsers ? [checkMaker(parts, one, deadline)] : []),
    ...(parts.roles.includes('node') && hasOwnUsers(one) ? [checkNode(parts, one, deadline)] : []),
  ]);
  return (await Promise.all(asked)).flat();
}

const hasOwnUsers = ({ users }: ClusterConfig): boolean => users.node?.id.includes(NODE_MARK) === true;
const REMEDY = 'give it the caps of docs/ceph-users.md, "Users of single volumes"';

/**
 * By a user with the caps of a volume that there is not: he is dropped at once. One for each pool, always of the same
 * name, so that what a check leaves that is cut short is removed by the next, whatever caps it has.
 */
async function checkMaker(
  { rbd, clusters }: VolumeUsersParts,
  config: ClusterConfig,
  deadline: Deadline,
): Promise<readonly Finding[]> {
  const name = `volume-users ${config.id}`;
  const access = await clusters.access(config, 'controller').catch(() => undefined);
  if (access === undefined) return [];
  const found: Finding[] = [];
  for (const { name: pool } of config.pools) {
    const user = userOf(`doctor.${encodeURIComponent(pool)}`);
    try {
      const data = { pool, prefix: 'rbd_data.none' };
      const own = { pool, namespace: '', imageId: 'none', data };
      await rbd.dropUser(access, user, deadline);
      await rbd.makeUser(access, user, capsOf({ image: 'none', own, below: [], readOnly: false }), deadline);
      await rbd.dropUser(access, user, deadline);
    } catch (error) {
      if (!isBerthError(error, 'BERTH_CEPH_DENIED')) return [];
      const who = `client.${access.user} may not make or drop users for volumes of pool ${pool}`;
      found.push({ name, level: 'failed', says: `${who}: no volume of it is attached; ${REMEDY}` });
    }
  }
  const says = `client.${access.user} may make and drop users of volumes`;
  return found.length > 0 ? found : [{ name, level: 'ok', says }];
}

async function checkNode(
  { rbd, clusters, installation, nodeId: node }: VolumeUsersParts,
  config: ClusterConfig,
  deadline: Deadline,
): Promise<readonly Finding[]> {
  const name = `volume-users ${config.id}`;
  try {
    const registry = await clusters.registry(config.id, 'node', deadline);
    const own = keysObjectOf({ node, installation: await installation.known(deadline) });
    const other = keysObjectOf({ node: `nobody-${randomUUID()}`, installation: '' });
    const who = `client.${registry.access.user}`;
    if (!(await mayRead(rbd, registry, own, deadline)))
      return [
        { name, level: 'failed', says: `${who} may not read ${own}: no volume is staged by its user; ${REMEDY}` },
      ];
    if (await mayRead(rbd, registry, other, deadline)) {
      const says = `${who} reads the keys of other nodes' volumes: whoever takes this node has them all; ${REMEDY}`;
      return [{ name, level: 'failed', says }];
    }
    return [{ name, level: 'ok', says: `${who} reads the keys of this node's volumes and no others` }];
  } catch (error) {
    return [{ name, level: 'warning', says: `which keys this node reads could not be tried: ${messageOf(error)}` }];
  }
}

async function mayRead(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  object: string,
  deadline: Deadline,
): Promise<boolean> {
  try {
    await rbd.listRecords(registry, object, '', 1, deadline);
    return true;
  } catch (error) {
    if (isBerthError(error, 'BERTH_CEPH_DENIED')) return false;
    throw error;
  }
}
