/**
 * Does the kernel's Ceph client know what each cluster asks of its clients? One that does not is not refused: it tries
 * in vain. Nothing is said where the kernel has no rbd loaded, or another mapper is chosen.
 */
import { access as accessible } from 'node:fs/promises';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { MounterChoice } from '../../model/mapper-name.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { ClusterDemands } from '../../rbd/mapping/krbd/cluster-demands.js';
import { whyNotCluster, whyNotKey } from '../../rbd/mapping/krbd/kernel-limits.js';
import { rbdBus } from '../../rbd/mapping/krbd/krbd-sysfs.js';
import { configuredClusters } from './configured-clusters.js';

export interface KernelClientParts {
  readonly demands: Pick<ClusterDemands, 'of'>;
  readonly clusters: Pick<Clusters, 'all' | 'access'>;
  readonly mounter: MounterChoice;
  readonly sysRoot: string;
  readonly procRoot: string;
}

/**
 * One finding for each cluster; none of one that does not let us in or answer: that is said already. A cluster that
 * cannot be mapped stops its own volumes only: it is a warning while another one can.
 */
export async function checkKernelClient(parts: KernelClientParts, deadline: Deadline): Promise<readonly Finding[]> {
  const limits = await limitsOf(parts, deadline, 0);
  const oneWorks = limits.some(({ isKnown, nothing }) => isKnown && nothing === undefined);
  return limits.flatMap(({ cluster, isKnown, nothing }): readonly Finding[] => {
    if (!isKnown) return [];
    const name = `kernel-client ${cluster}`;
    if (nothing !== undefined) return [{ name, level: oneWorks ? 'warning' : 'failed', says: nothing }];
    return [{ name, level: 'ok', says: "the kernel's client knows what the cluster asks of its clients" }];
  });
}

/**
 * Why the kernel's client can map nothing of any cluster; undefined where it can of one, or nobody knows, or no volume
 * is mapped by it. A cluster that was found to ask for nothing new is not asked again.
 */
export async function whyNoClusterForKernel(parts: KernelClientParts, deadline: Deadline): Promise<string | undefined> {
  const limits = await limitsOf(parts, deadline, Infinity);
  const reasons = limits.flatMap(({ cluster, nothing }) => (nothing === undefined ? [] : [`${cluster}: ${nothing}`]));
  return reasons.length > 0 && reasons.length === limits.length ? reasons.join('; ') : undefined;
}

interface Limits {
  readonly cluster: string;
  readonly isKnown: boolean;
  /** Why no image of the cluster can be mapped. */
  readonly nothing?: string | undefined;
}

async function limitsOf(parts: KernelClientParts, deadline: Deadline, holdsMs: number): Promise<readonly Limits[]> {
  if (!(await usesKernel(parts))) return [];
  const all = await configuredClusters(parts.clusters);
  return Promise.all(all.map((one) => limitsOfCluster(parts, one, deadline, holdsMs)));
}

async function usesKernel({ mounter, sysRoot }: KernelClientParts): Promise<boolean> {
  if (mounter !== 'auto' && mounter !== 'krbd') return false;
  return accessible(rbdBus(sysRoot)).then(
    () => true,
    () => false,
  );
}

async function limitsOfCluster(
  { demands, clusters, procRoot }: KernelClientParts,
  config: ClusterConfig,
  deadline: Deadline,
  holdsMs: number,
): Promise<Limits> {
  const cluster = config.id;
  const access = await clusters.access(config, 'node').catch(() => undefined);
  if (access === undefined) return { cluster, isKnown: false };
  const whyKey = await whyNotKey(access.key.reveal(), procRoot);
  if (whyKey !== undefined) return { cluster, isKnown: true, nothing: whyKey };
  const asked = await demands.of(access, deadline, holdsMs);
  if (asked === undefined) return { cluster, isKnown: false };
  return { cluster, isKnown: true, nothing: whyNotCluster(asked) };
}
