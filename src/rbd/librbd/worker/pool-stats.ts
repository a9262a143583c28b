/** The operations on clusters and pools: who is there, how much room is left. */
import type { ClusterIdentity, PoolStats } from '../../port.js';
import { check, refusalError } from '../ceph-errors.js';
import type { ClusterConnection } from './cluster-connection.js';
import { withCells } from '../foreign/c-memory.js';
import { field, monCommand } from './mon-command.js';
import { bareAddress } from './open-image.js';
import type { WireAccess, WirePool } from '../worker-messages.js';

/** One round trip to a monitor, so that a pooled connection to a cluster that is gone says so. */
export async function identify(link: ClusterConnection, access: WireAccess): Promise<ClusterIdentity> {
  const answer = await monCommand(link, { prefix: 'fsid' });
  const fsid = field(answer, 'fsid');
  if (typeof fsid !== 'string') throw unexpectedAnswerError('fsid', access);
  return { fsid, instance: await instanceOf(link) };
}

/** `addr:port/nonce`; `client.<id>` with a librados that cannot tell its address (some 14.2). */
function instanceOf({ ceph: { rados }, cluster }: ClusterConnection): Promise<string> {
  return withCells(1, async (cells) => {
    if (rados.addresses === undefined) return `client.${rados.instanceId.now(cluster)}`;
    check(await rados.addresses.later(cluster, cells.at(0)), 'get own address');
    const address = bareAddress(cells.text(0));
    rados.freeBuffer.now(cells.u64(0));
    return address;
  });
}

/** Two monitor commands; no OSD is asked. @throws BERTH_POOL_NOT_FOUND */
export async function poolStats(link: ClusterConnection, at: WirePool): Promise<PoolStats> {
  const answer = await monCommand(link, { prefix: 'df', detail: 'detail' });
  const pools = field(answer, 'pools');
  const pool: unknown = Array.isArray(pools) ? pools.find((one: unknown) => field(one, 'name') === at.pool) : undefined;
  if (pool === undefined) throw refusalError('BERTH_POOL_NOT_FOUND', { pool: at.pool, cluster: at.access.cluster });
  const stats = field(pool, 'stats');
  const storedBytes = bytes(field(stats, 'stored'));
  // A cluster whose manager has not reported yet seems to have no disks at all.
  if (bytes(field(field(answer, 'stats'), 'total_bytes')) === 0n) return { availableBytes: undefined, storedBytes };
  const room = bytes(field(stats, 'max_avail'));
  const quota = bytes(field(stats, 'quota_bytes') ?? (await quotaOf(link, at.pool)));
  const left = quota > storedBytes ? quota - storedBytes : 0n;
  return { availableBytes: quota > 0n && left < room ? left : room, storedBytes };
}

/** `df detail` has the quota since 14.2; asked for by itself elsewhere. */
async function quotaOf(link: ClusterConnection, pool: string): Promise<unknown> {
  return field(await monCommand(link, { prefix: 'osd pool get-quota', pool }), 'quota_max_bytes');
}

const bytes = (value: unknown): bigint => (typeof value === 'number' ? BigInt(Math.trunc(value)) : 0n);

const unexpectedAnswerError = (what: string, access: WireAccess) =>
  refusalError('BERTH_CEPH_ERROR', {
    what: `monitor command ${what} of ${access.cluster}`,
    why: 'the answer is not understood',
  });
