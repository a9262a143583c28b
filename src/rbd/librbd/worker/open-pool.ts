/** Where an operation works: an open pool, and what an ENOENT there really means. */
import { constants } from 'node:os';
import type { Deadline } from '../../../model/deadline.js';
import { imageSpec, type PoolSpec } from '../../../model/volume-id.js';
import type { Ioctx } from '../foreign/bindings.js';
import type { Connections } from './connections.js';
import { CephErrno, check, ENOENT, refusalError } from '../ceph-errors.js';
import type { ClusterConnection } from './cluster-connection.js';
import { withCells } from '../foreign/c-memory.js';
import type { WireImage, WirePool } from '../worker-messages.js';

/** A pool as an operation works in it: the handles of C, where it is, and by when it must be done. */
export interface OpenPool {
  readonly link: ClusterConnection;
  readonly io: Ioctx;
  readonly at: WirePool;
  readonly deadline: Deadline;
}

/** Runs work on an image in its open pool, by its name. */
export type OnImage = <T>(
  at: WireImage,
  deadline: Deadline,
  what: string,
  work: (place: OpenPool) => Promise<T>,
) => Promise<T>;

/** Runs work on an image in its open pool, by its id. */
export type OnImageId = <T>(
  at: WirePool,
  id: string,
  deadline: Deadline,
  what: string,
  work: (place: OpenPool) => Promise<T>,
) => Promise<T>;

/** `pool[/namespace]/image`, for messages. */
export const specOf = (at: PoolSpec, image: string): string => imageSpec({ ...at, image });

/**
 * Run `work` in the pool of `at`; what it throws becomes an error of the catalogue.
 * @param image how to call the image, where `work` is about one: ENOENT then means BERTH_IMAGE_NOT_FOUND
 */
export function withPool<T>(
  connections: Connections,
  at: WirePool,
  image: string | undefined,
  deadline: Deadline,
  what: string,
  work: (place: OpenPool) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    // The connection stays in use until the work has ended; only its caller need not wait so long.
    const refuse = (): void => {
      connections.forget(at.access);
      reject(refusalError('BERTH_CEPH_DENIED', { user: at.access.user, what: `${what}: no OSD takes this user` }));
    };
    connections
      .use(at.access, deadline, what, async (link) => {
        const place: OpenPool = { link, io: await link.pool(at), at, deadline };
        const done = answered(place, image, work);
        void link.osdRefusal.isRefused(done).then((isRefused) => isRefused && refuse());
        return done;
      })
      .then(resolve, reject);
  });
}

/** Run the work, and say what an ENOENT of it really means. */
async function answered<T>(
  place: OpenPool,
  image: string | undefined,
  work: (place: OpenPool) => Promise<T>,
): Promise<T> {
  try {
    const answer = await work(place);
    place.link.osdRefusal.served();
    return answer;
  } catch (error) {
    if (error instanceof CephErrno && !error.is(constants.errno.ETIMEDOUT)) place.link.osdRefusal.served();
    if (error instanceof CephErrno && error.is(ENOENT)) await explainAbsence(place);
    if (!(error instanceof CephErrno)) throw error;
    if (error.is(ENOENT) && image !== undefined) throw refusalError('BERTH_IMAGE_NOT_FOUND', { image });
    throw error;
  }
}

/**
 * After an ENOENT: blame the pool or the namespace if it is they that are missing.
 * @throws BERTH_POOL_NOT_FOUND, BERTH_NAMESPACE_NOT_FOUND
 */
async function explainAbsence({ link, io, at }: OpenPool): Promise<void> {
  await link.checkPool(at);
  if (at.namespace === '') return;
  const there = await withCells(1, async (cells) => {
    // A user confined to its namespace may not ask; then the absence itself is the best evidence.
    const result = await link.ceph.rbd.namespaceExists.later(io, at.namespace, cells.at(0));
    return result === 0 && cells.u8(0) !== 0;
  });
  if (!there) throw refusalError('BERTH_NAMESPACE_NOT_FOUND', { namespace: at.namespace, pool: at.pool });
}

/** @throws BERTH_POOL_NOT_FOUND where a pool that an operation names besides its own is not there */
export async function checkOtherPool({ link, at }: OpenPool, pool: string): Promise<void> {
  const id = BigInt(await link.ceph.rados.poolId.later(link.cluster, pool));
  if (id === BigInt(-ENOENT)) throw refusalError('BERTH_POOL_NOT_FOUND', { pool, cluster: at.access.cluster });
  check(Number(id), 'look up pool');
}
