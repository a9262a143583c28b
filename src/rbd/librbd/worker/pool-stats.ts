/** The operations on clusters and pools: who is there, how much room is left, what a pool cannot hold. */
import type { ClusterIdentity, PoolStats } from '../../port.js';
import { CephErrno, check, EACCES, ENOENT, EOPNOTSUPP, EPERM, refusalError } from '../ceph-errors.js';
import type { Ioctx } from '../foreign/bindings.js';
import type { ClusterConnection } from './cluster-connection.js';
import { withCells } from '../foreign/c-memory.js';
import { field, monCommand } from './mon-command.js';
import { createObject, mustExist, write } from './object-operation.js';
import { bareAddress } from './open/open-image.js';
import type { OpenPool } from './open-pool.js';
import type { WirePool } from '../worker-messages.js';

/** From what the connection was told at its begin: nobody is asked. */
export const identify = async (link: ClusterConnection): Promise<ClusterIdentity> => ({
  fsid: await link.fsid(),
  instance: await instanceOf(link),
});

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

/** An object that nobody makes. */
const NOTHING = 'berth.may-write';

/**
 * Refuses a data pool that images of this user cannot be written to: found now, for librbd creates the image all the
 * same, and the first write of a pod fails. One operation for each pool and namespace of a connection.
 * @throws BERTH_CEPH_DENIED, BERTH_POOL_NOT_FOUND, BERTH_POOL_UNFIT
 */
export async function refuseDataPool({ link, at }: Pick<OpenPool, 'link' | 'at'>, pool: string): Promise<void> {
  const io = await link.pool({ ...at, pool });
  if (await needsWholeWrites(link, io)) {
    const why = 'it is erasure coded and does not allow overwrites (ceph osd pool set POOL allow_ec_overwrites true)';
    throw refusalError('BERTH_POOL_UNFIT', { pool, what: 'the data of images', why });
  }
  const key = `${link.ceph.rados.poolIdOf.now(io)}/${at.namespace}`;
  if (link.writable.has(key)) return;
  try {
    // The caps are looked at before the object, which is not there: nothing is written.
    await write(link.ceph, io, NOTHING, 'write to it', [mustExist(link.ceph), createObject(link.ceph)]);
  } catch (error) {
    if (!(error instanceof CephErrno)) throw error;
    if (error.is(EPERM, EACCES)) {
      throw refusalError('BERTH_CEPH_DENIED', { user: at.access.user, what: `write to the data pool ${pool}` });
    }
    if (!error.is(ENOENT)) throw error;
  }
  link.writable.add(key);
}

/** @throws BERTH_POOL_UNFIT for an erasure coded pool, which has no omap: librbd would say EINVAL */
export async function refuseErasureCoded({ link, at, io }: OpenPool, result = 0): Promise<void> {
  const id = String(link.ceph.rados.poolIdOf.now(io));
  if (result !== -EOPNOTSUPP && (link.fit.has(id) || !(await needsWholeWrites(link, io)))) {
    link.fit.add(id);
    return;
  }
  const why = 'it is erasure coded, and the names of images are kept in a replicated one; name it as dataPool';
  throw refusalError('BERTH_POOL_UNFIT', { pool: at.pool, what: 'images', why });
}

const needsWholeWrites = ({ ceph }: ClusterConnection, io: Ioctx): Promise<boolean> =>
  withCells(1, async (cells) => {
    check(await ceph.rados.needsWholeWrites.later(io, cells.at(0)), 'look at pool');
    return cells.i32(0) !== 0;
  });

/** `df detail` has the quota since 14.2; asked for by itself elsewhere. */
async function quotaOf(link: ClusterConnection, pool: string): Promise<unknown> {
  return field(await monCommand(link, { prefix: 'osd pool get-quota', pool }), 'quota_max_bytes');
}

const bytes = (value: unknown): bigint => (typeof value === 'number' ? BigInt(Math.trunc(value)) : 0n);
