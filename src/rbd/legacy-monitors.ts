/** The monitors as clients take them that know the first messenger only and no version prefix: `ip:port`, one each. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { berthError } from '../model/errors.js';
import { endpointsOf, type Endpoint } from './monitor-address.js';

/** BERTH_MONITOR_UNUSABLE where none has an address of the first messenger, or none of their names can be resolved. */
export async function legacyMonitors(
  cluster: string,
  monitors: readonly string[],
  resolve: (host: string) => Promise<string> = async (host) => (await lookup(host)).address,
): Promise<readonly string[]> {
  const found: string[] = [];
  let why = 'they all speak the second messenger only';
  for (const { host, port } of monitors.flatMap(endpointsOf).filter(isLegacy)) {
    try {
      const address = isIP(host) === 0 ? await resolve(host) : host;
      found.push(isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`);
    } catch (error) {
      why = `${host} cannot be resolved (${(error as NodeJS.ErrnoException).code ?? 'failed'})`;
    }
  }
  if (found.length === 0) throw berthError('BERTH_MONITOR_UNUSABLE', { cluster, why });
  return [...new Set(found)];
}

/** An address with a port of its own and no version may speak either; a client that asks finds out. */
const isLegacy = ({ messenger }: Endpoint): boolean => messenger !== 'v2';
