/** What the cluster's maps ask of its clients: read with no more rights than `profile rbd` has. */
import type { ClientDemands } from '../../port.js';
import type { ClusterConnection } from './cluster-connection.js';
import { field, monCommand, monText } from './mon-command.js';

/** The first release that can ask for something which not every client of our time knows; refused below it. */
const FIRST_TO_ASK = 'reef';
/** What Ceph says where it was never told. */
const NOT_TOLD = 'unknown';

/** The large map is read only where an operator let the cluster ask for so much (`require_min_compat_client`). */
export async function readDemands(link: ClusterConnection): Promise<ClientDemands> {
  const v2Only = speakV2Only(await monCommand(link, { prefix: 'mon dump' }));
  const allowed = (await monText(link, { prefix: 'osd get-require-min-compat-client' })).trim();
  if (allowed < FIRST_TO_ASK) return { leastRelease: allowed, movedPrimaries: [], v2Only };
  const map = await monCommand(link, { prefix: 'osd dump' });
  const least = field(map, 'min_compat_client');
  const leastRelease = typeof least === 'string' && least !== NOT_TOLD ? least : '';
  return { leastRelease, movedPrimaries: poolsWithMovedPrimaries(map), v2Only };
}

/** `public_addrs.addrvec[].type` of each monitor; a release that does not tell them has v1. */
function speakV2Only(monitors: unknown): boolean {
  const types = listAt(monitors, 'mons')
    .flatMap((one) => listAt(field(one, 'public_addrs'), 'addrvec'))
    .map((address) => field(address, 'type'));
  return types.length > 0 && types.every((type) => type === 'v2');
}

/** `pg_upmap_primaries` names placement groups, `7.1a`; pools are shown by number and name. */
function poolsWithMovedPrimaries(map: unknown): readonly string[] {
  const groups = listAt(map, 'pg_upmap_primaries').map((one) => String(field(one, 'pgid')));
  const numbers = new Set(groups.map((group) => group.split('.')[0]));
  return listAt(map, 'pools')
    .filter((pool) => numbers.has(String(field(pool, 'pool'))))
    .map((pool) => String(field(pool, 'pool_name')));
}

function listAt(value: unknown, name: string): readonly unknown[] {
  const list = field(value, name);
  return Array.isArray(list) ? list : [];
}
