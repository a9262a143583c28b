/** Writes this node into the registry of one cluster; without that no volume can be attached to it. */
import { recordedNode, type NodeIdentity, type Installation } from '../../../attachment/node-identity.js';
import type { NodeRegistry } from '../../../attachment/node-registry.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { Mapper } from '../../../rbd/mapping/mapper.js';
import type { RbdPort } from '../../../rbd/port.js';

export interface RegistrationParts {
  readonly self: NodeIdentity;
  readonly installation: Pick<Installation, 'known'>;
  readonly bootId: string;
  /** Version of Berth. */
  readonly driver: string;
  readonly mappers: readonly Pick<Mapper, 'name' | 'whyNot'>[];
  readonly clusters: Pick<Clusters, 'all' | 'registry'>;
  readonly rbd: Pick<RbdPort, 'identify'>;
  readonly nodes: Pick<NodeRegistry, 'register'>;
  /**
   * Addresses of all clients by which images of a cluster are open here; undefined where one of them cannot be told.
   */
  readonly clientsInUse: (fsid: string, deadline: Deadline) => Promise<readonly string[] | undefined>;
  readonly log: Logger;
  readonly now: () => Date;
}

/**
 * BERTH_INSTALLATION_UNKNOWN, errors of the cluster; a mapper or a journal that cannot be read only leaves the clients
 * out.
 */
export async function registerNode(parts: RegistrationParts, cluster: string, deadline: Deadline): Promise<void> {
  const { self, bootId, driver, mappers, clusters, rbd, nodes, clientsInUse, log, now } = parts;
  await parts.installation.known(deadline);
  // Taken before anything is asked, so that what is said is at least as new as this.
  const seen = now().toISOString();
  const registry = await clusters.registry(cluster, 'node', deadline);
  const working = await Promise.all(mappers.map(async (one) => ((await one.whyNot()) === undefined ? [one] : [])));
  const { fsid } = await rbd.identify(registry.access, deadline);
  const clients = await clientsInUse(fsid, deadline).catch((error: unknown) => {
    log.warn(
      { cluster, err: error },
      'by which clients images are open here cannot be told: a fence of this node stays',
    );
    return undefined;
  });
  const registration = {
    version: 1,
    ...recordedNode(self),
    bootId,
    driver,
    mappers: working.flat().map(({ name }) => name),
    seen,
    ...(clients === undefined ? {} : { clients }),
  } as const;
  await nodes.register(registry, registration, deadline);
}
