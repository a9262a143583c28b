/**
 * The monitors as Ceph's clients are told them: addresses without names. librados and the rbd programs give up a whole
 * cluster over one name that does not resolve, and understand no name beside a vector.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { berthError } from '../model/errors.js';
import { settledWithin } from '../model/time-limit.js';
import { monitorsIn, monitorText, type Monitor } from './monitor-address.js';
import type { ClusterAccess } from './port.js';

/** How long the answer for one name may take, ms: a name server that is silent must not cost a whole call. */
const RESOLVE_MS = 3_000;

/** All addresses of a host name; rejects where it has none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface ResolvedMonitors {
  /** As `mon_host` and `rbd -m` take them. */
  readonly monitors: readonly string[];
  /** What is left out, and why, for a person: `mon.a cannot be resolved (ENOTFOUND)`. */
  readonly unusable: readonly string[];
}

/** The monitors that can be used, in their order. Takes 3 s at most. */
export async function resolveMonitors(
  monitors: readonly string[],
  resolve: Resolve = lookUp,
): Promise<ResolvedMonitors> {
  const all = await Promise.all(monitors.flatMap(monitorsIn).map((one) => resolved(one, resolve)));
  return {
    monitors: all.flatMap((one) => (typeof one === 'string' ? [] : one)).map(monitorText),
    unusable: all.flatMap((one) => (typeof one === 'string' ? [one] : [])),
  };
}

/** The same cluster by the addresses of its usable monitors; BERTH_CLUSTER_UNREACHABLE where it has none. */
export async function byAddress(access: ClusterAccess): Promise<ClusterAccess> {
  const { monitors, unusable } = await resolveMonitors(access.monitors);
  if (monitors.length > 0) return { ...access, monitors };
  const why = unusable.join(', ') || 'it has no monitors';
  throw berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: access.cluster, why });
}

/** A name with several addresses is several monitors; a text says why there is none. */
async function resolved(monitor: Monitor, resolve: Resolve): Promise<readonly Monitor[] | string> {
  const hosts = [...new Set(monitor.addresses.map(({ host }) => host))];
  const found = await Promise.all(hosts.map((host) => resolveHost(host, resolve)));
  const failed = found.find((one) => typeof one === 'string');
  if (failed !== undefined) return failed;
  const addressesOf = (host: string): readonly string[] => [found[hosts.indexOf(host)] ?? []].flat();
  const most = Math.max(...hosts.map((host) => addressesOf(host).length));
  return Array.from({ length: most }, (_, n) => ({
    ...monitor,
    addresses: monitor.addresses.map((one) => {
      const addresses = addressesOf(one.host);
      return { ...one, host: addresses[n % addresses.length] ?? one.host };
    }),
  }));
}

async function resolveHost(host: string, resolve: Resolve): Promise<readonly string[] | string> {
  if (isIP(host) !== 0) return [host];
  try {
    return await resolve(host);
  } catch (error) {
    return `${host} cannot be resolved (${(error as NodeJS.ErrnoException).code ?? 'failed'})`;
  }
}

async function lookUp(host: string): Promise<readonly string[]> {
  const asked = lookup(host, { all: true });
  if (!(await settledWithin(asked, RESOLVE_MS))) throw Object.assign(new Error('silent'), { code: 'no answer' });
  return (await asked).map(({ address }) => address);
}
