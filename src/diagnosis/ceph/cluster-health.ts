/** What the monitors say of each cluster, as far as it bears on volumes; the rest is for whoever runs Ceph. */
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { Clusters, Role } from '../../rbd/clusters.js';
import type { ClusterHealth, RbdPort } from '../../rbd/port.js';
import { firstOf, messageOf } from '../message-of.js';
import { configuredClusters } from './configured-clusters.js';

export interface HealthParts {
  readonly rbd: Pick<RbdPort, 'health'>;
  readonly clusters: Pick<Clusters, 'all' | 'access'>;
  readonly roles: readonly Role[];
}

/** By what Ceph's code begins with: what it means for volumes, and where docs/runbook.md goes on. */
const BEARS_ON_VOLUMES: readonly (readonly [RegExp, string])[] = [
  [/^(OSD|POOL)_(FULL|BACKFILLFULL|NEARFULL|NEAR_FULL)$/, 'a full pool lets nobody write: "The pool is full"'],
  [/^POOL_QUOTA_FULL$/, 'a full pool lets nobody write: "The pool is full"'],
  [/^(OSD_DOWN|OSD_\w+_DOWN|PG_AVAILABILITY|SLOW_OPS)$/, 'I/O may stand: "Processes in D state, I/O stands"'],
  [/^(PG_DAMAGED|OSD_SCRUB_ERRORS|OBJECT_UNFOUND)$/, 'which volumes have objects there: "PGs inconsistent"'],
  [/^MON_(DOWN|QUORUM\w*|DISK\w*)$/, 'without a quorum nothing new works: "Monitors gone"'],
  [/^MON_CLOCK_SKEW$/, 'tickets live by the clock: "The clock is off"'],
];

/** One finding for each cluster that can be asked; one that cannot is told by the check of its access. */
export async function checkHealth(parts: HealthParts, deadline: Deadline): Promise<readonly Finding[]> {
  const [role] = parts.roles;
  if (role === undefined) return [];
  const all = await configuredClusters(parts.clusters);
  const asked = all.map(async (config): Promise<readonly Finding[]> => {
    const access = await parts.clusters.access(config, role).catch(() => undefined);
    if (access === undefined) return [];
    const name = `health ${config.id}`;
    try {
      return [{ name, ...judgeHealth(await parts.rbd.health(access, deadline)) }];
    } catch (error) {
      return [{ name, level: 'warning', says: `not known: ${messageOf(error)}` }];
    }
  });
  return (await Promise.all(asked)).flat();
}

/** A warning at most: Berth works, and what waits for the cluster goes on by itself. */
export function judgeHealth({ status, checks }: ClusterHealth): Pick<Finding, 'level' | 'says'> {
  const told = checks.flatMap(({ code, says, detail }) => {
    const found = BEARS_ON_VOLUMES.find(([pattern]) => pattern.test(code));
    return found === undefined
      ? []
      : [`${code}: ${[says, ...(detail.length > 0 ? [firstOf(detail)] : [])].join(': ')} (${found[1]})`];
  });
  if (told.length > 0) return { level: 'warning', says: told.join('; ') };
  const others =
    checks.length === 0 ? '' : `, and nothing of that is about volumes: ${checks.map(({ code }) => code).join(', ')}`;
  return { level: 'ok', says: `${status}${others}` };
}
