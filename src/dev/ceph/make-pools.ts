/** Pools and RADOS namespaces for RBD images. */
import type { Deadline } from '../../model/deadline.js';
import type { Admin } from './admin.js';
import type { ClusterPool } from './cluster-record.js';

const PGS = '8';

/** Tell the monitor of a pool; needs no OSD yet. Repeating it changes nothing. */
export async function declarePool(admin: Admin, pool: string, deadline: Deadline): Promise<void> {
  await admin.ceph(['osd', 'pool', 'create', pool, PGS], deadline);
  await admin.ceph(['osd', 'pool', 'application', 'enable', pool, 'rbd'], deadline);
}

/** Make a declared pool ready for images, with its namespaces; returns when its placement groups serve. */
export async function preparePool(admin: Admin, pool: ClusterPool, deadline: Deadline): Promise<void> {
  await admin.rbd(['pool', 'init', pool.name], deadline);
  const listed = JSON.parse(await admin.rbd(['namespace', 'ls', pool.name, '--format', 'json'], deadline)) as {
    name: string;
  }[];
  for (const namespace of pool.namespaces) {
    if (listed.some((one) => one.name === namespace)) continue;
    await admin.rbd(['namespace', 'create', `${pool.name}/${namespace}`], deadline);
  }
}

interface DfAnswer {
  readonly pools: readonly { readonly name: string; readonly stats: { readonly max_avail: number } }[];
}

/** Does the manager give capacity figures for all these pools? They are missing for a second or two after it starts. */
export async function haveFigures(admin: Admin, pools: readonly string[], deadline: Deadline): Promise<boolean> {
  const answer = JSON.parse(await admin.ceph(['df', '--format', 'json'], deadline)) as DfAnswer;
  return pools.every((pool) => answer.pools.some((one) => one.name === pool && one.stats.max_avail > 0));
}

/** Pools of `wanted` that are not in `have`, or not with all their namespaces. */
export const lacking = (have: readonly ClusterPool[], wanted: readonly ClusterPool[]): readonly ClusterPool[] =>
  wanted.filter((pool) => {
    const there = have.find((one) => one.name === pool.name);
    return there === undefined || pool.namespaces.some((namespace) => !there.namespaces.includes(namespace));
  });

/** Both lists as one, each pool once with all its namespaces. */
export function merged(have: readonly ClusterPool[], more: readonly ClusterPool[]): readonly ClusterPool[] {
  const pools = new Map<string, Set<string>>();
  for (const pool of [...have, ...more]) {
    const namespaces = pools.get(pool.name) ?? new Set();
    for (const namespace of pool.namespaces) namespaces.add(namespace);
    pools.set(pool.name, namespaces);
  }
  return [...pools].map(([name, namespaces]) => ({ name, namespaces: [...namespaces] }));
}
