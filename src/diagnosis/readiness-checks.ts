/** The checks behind Probe: the clusters answer, the machine lets us mount, and a mapper works. */
import type { Installation } from '../attachment/node-identity.js';
import { REGISTRY_OBJECT } from '../attachment/registry/registry-marks.js';
import { isBerthError } from '../model/errors.js';
import { whyNoClusterForKernel, type KernelClientParts } from './ceph/kernel-client.js';
import type { Examined } from './checks.js';
import { whyNoVolumeWorks } from './preflight.js';
import { whyAllFailed } from '../model/settle-all.js';
import type { Clusters, Role } from '../rbd/clusters.js';
import type { RbdPort } from '../rbd/port.js';
import type { Check } from './readiness.js';

/**
 * Ready while at least one cluster answers: the volumes of the others fail with their own error. One small read of an
 * OSD, for monitors are asked nothing where nobody needs it: a pool that is gone or closed to us is an answer as well.
 */
export function clustersAnswer(
  clusters: Pick<Clusters, 'all' | 'access'>,
  rbd: Pick<RbdPort, 'getRecords'>,
  role: Role,
): Check {
  return async (deadline) => {
    const all = await clusters.all();
    return whyAllFailed(
      all.map(async (one) => {
        const [pool] = one.pools;
        const at = { access: await clusters.access(one, role), pool: pool?.name ?? '' };
        try {
          await rbd.getRecords({ ...at, namespace: pool?.namespaces[0] ?? '' }, REGISTRY_OBJECT, ['here'], deadline);
        } catch (error) {
          if (!isBerthError(error, 'BERTH_POOL_NOT_FOUND', 'BERTH_NAMESPACE_NOT_FOUND', 'BERTH_CEPH_DENIED'))
            throw error;
        }
      }),
    );
  };
}

/** Until it is, nothing is attached or detached. */
export const installationKnown =
  (installation: Pick<Installation, 'known'>): Check =>
  async (deadline) => {
    await installation.known(deadline);
    return undefined;
  };

/**
 * Only what would make every volume fail; the rest of what the checks find is for the log and the doctor.
 */
export const machineWorks =
  (examined: Examined): Check =>
  () =>
    whyNoVolumeWorks(examined);

/**
 * A driver that cannot map what its kernel could is not ready, and holds up a roll-out. A node whose kernel has no rbd
 * is none for volumes, whichever version runs there: that is told by the log, by doctor and to each stage.
 * @param chooseMapper rejects where no mapper can work here
 * @param kernelMaps asked after that
 */
export function mapperWorks(chooseMapper: () => Promise<unknown>, kernelMaps: () => Promise<boolean>): Check {
  return async () => {
    try {
      await chooseMapper();
    } catch (error) {
      if (!isBerthError(error, 'BERTH_MAPPER_UNAVAILABLE') || (await kernelMaps())) throw error;
    }
    return undefined;
  };
}

/** What the kernel's client does not know of every cluster: it would wait for ever with the first map. */
export const kernelKnowsClusters =
  (parts: KernelClientParts): Check =>
  (deadline) =>
    whyNoClusterForKernel(parts, deadline);
