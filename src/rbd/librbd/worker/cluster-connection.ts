/** One connection to one cluster as one user, with the pools opened through it. */
import { whyNotKey, whyNotUser } from '../../../model/cephx.js';
import { resolveMonitors } from '../../resolve-monitors.js';
import { CephErrno, check, connectRefusal, ENOENT, refusalError } from '../ceph-errors.js';
import type { CephLibraries, Cluster, Ioctx } from '../foreign/bindings.js';
import { Cells, withCells } from '../foreign/c-memory.js';
import { OsdRefusal } from './connection/osd-refusal.js';
import { PoolCheck } from './pool-check.js';
import type { WireAccess, WirePool, WorkerOptions } from '../worker-messages.js';

/** Nothing of this machine's Ceph configuration may leak in, and nothing of ours out: no files, no sockets, no log. */
const SILENCE = {
  keyring: '',
  log_file: '',
  log_to_stderr: 'false',
  err_to_stderr: 'false',
  admin_socket: '',
  rbd_cache: 'false',
};

/** Of the text of a uuid with its NUL, rounded up to whole cells. */
const FSID_BYTES = 40;

export type ConnectOptions = Pick<WorkerOptions, 'connectSeconds' | 'operationSeconds' | 'extraConf'>;

/**
 * @throws BERTH_CREDENTIALS_INVALID, BERTH_CLUSTER_AUTH_FAILED, BERTH_CLUSTER_UNREACHABLE after at most
 *   `connectSeconds` and the time that names take to resolve
 */
export async function connect(
  ceph: CephLibraries,
  access: WireAccess,
  options: ConnectOptions,
): Promise<ClusterConnection> {
  const { rados } = ceph;
  refuseCredentials(access);
  const monitors = await usableMonitors(access);
  const cells = new Cells(1);
  let cluster: Cluster;
  try {
    check(rados.create.now(cells.at(0), 'ceph', `client.${access.user}`, 0n), 'rados_create2');
    cluster = cells.u64(0) as Cluster;
  } finally {
    cells.free();
  }
  try {
    const conf = {
      ...SILENCE,
      client_mount_timeout: String(options.connectSeconds),
      rados_mon_op_timeout: String(options.operationSeconds),
      rados_osd_op_timeout: String(options.operationSeconds),
      ...options.extraConf,
      mon_host: monitors.join(','),
      key: access.key,
    };
    // An option that this release does not know is no reason to fail.
    for (const [name, value] of Object.entries(conf)) rados.configure.now(cluster, name, value);
    check(await rados.connect.later(cluster), 'connect');
  } catch (error) {
    void rados.shutdown.later(cluster);
    throw error instanceof CephErrno ? connectRefusal(error, access) : error;
  }
  return new ClusterConnection(ceph, cluster);
}

/** @throws BERTH_CREDENTIALS_INVALID */
function refuseCredentials({ cluster, user, key }: WireAccess): void {
  const whyNotThis = whyNotUser(user);
  if (whyNotThis !== undefined)
    throw refusalError('BERTH_CREDENTIALS_INVALID', { cluster, user: JSON.stringify(user), why: whyNotThis });
  const whyNot = key === '' ? undefined : whyNotKey(key);
  if (whyNot !== undefined)
    throw refusalError('BERTH_CREDENTIALS_INVALID', { cluster, user, why: `its key is no cephx key: ${whyNot}` });
}

/** Those that can be used; the others are named in the log. @throws BERTH_CLUSTER_UNREACHABLE where there is none */
async function usableMonitors({ cluster, monitors }: WireAccess): Promise<readonly string[]> {
  const { monitors: usable, unusable } = await resolveMonitors(monitors);
  if (usable.length === 0) {
    throw refusalError('BERTH_CLUSTER_UNREACHABLE', { cluster, why: unusable.join(', ') || 'it has no monitors' });
  }
  // The parent logs what the worker says on standard error.
  if (unusable.length > 0)
    process.stderr.write(`cluster ${cluster}: ${unusable.join(', ')}; its other monitors are used\n`);
  return usable;
}

export class ClusterConnection {
  readonly ceph: CephLibraries;
  readonly cluster: Cluster;
  readonly poolCheck: PoolCheck;
  readonly osdRefusal: OsdRefusal;
  /** Pools, by their ids, that are fit for images; none becomes erasure coded later. */
  readonly fit = new Set<string>();
  /** Pools and namespaces to which the user may write: asked once. */
  readonly writable = new Set<string>();
  readonly #pools = new Map<string, Promise<Ioctx>>();
  readonly #stale: Ioctx[] = [];
  readonly #closing = new Set<Promise<unknown>>();
  readonly #kept = new Set<() => Promise<void>>();
  #fsid: Promise<string> | undefined;

  constructor(ceph: CephLibraries, cluster: Cluster) {
    this.ceph = ceph;
    this.cluster = cluster;
    this.poolCheck = new PoolCheck((on) => {
      ceph.rados.configure.now(cluster, 'rbd_validate_pool', String(on));
    });
    this.osdRefusal = new OsdRefusal((option, value) => void ceph.rados.configure.now(cluster, option, value));
  }

  /** The pool and namespace, opened once. @throws BERTH_POOL_NOT_FOUND */
  pool(at: WirePool): Promise<Ioctx> {
    const name = nameOf(at);
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const opening = this.#open(at);
    this.#pools.set(name, opening);
    opening.catch(() => this.#pools.delete(name));
    return opening;
  }

  /** The cluster's own id, from what the connection was told at its begin: no monitor is asked. */
  fsid(): Promise<string> {
    this.#fsid ??= withCells(FSID_BYTES / 8, async (cells) => {
      const length = await this.ceph.rados.fsid.later(this.cluster, cells.at(0), FSID_BYTES);
      if (length < 0) check(length, 'get fsid');
      return cells.chars(0);
    });
    return this.#fsid;
  }

  /**
   * After an ENOENT: is the pool itself gone, or another one of the same name?
   * @throws BERTH_POOL_NOT_FOUND; the next call opens anew
   */
  async checkPool(at: WirePool): Promise<void> {
    const { rados } = this.ceph;
    const opening = this.pool(at);
    const io = await opening;
    const now = BigInt(await rados.poolId.later(this.cluster, at.pool));
    if (now === BigInt(rados.poolIdOf.now(io))) return;
    if (now < 0n && now !== BigInt(-ENOENT)) check(Number(now), 'look up pool');
    // Others may still be using the handle: it is only forgotten here and freed with the connection.
    const name = nameOf(at);
    if (this.#pools.get(name) === opening) {
      this.#pools.delete(name);
      this.#stale.push(io);
    }
    throw refusalError('BERTH_POOL_NOT_FOUND', { pool: at.pool, cluster: at.access.cluster });
  }

  /** A handle of this connection is being closed: who closes the connection waits for that. */
  endsAfter(closing: Promise<unknown>): void {
    this.#closing.add(closing);
    const ended = (): boolean => this.#closing.delete(closing);
    closing.then(ended, ended);
  }

  /** A handle of this connection that nobody uses now; `close` is called before the connection ends. */
  keep(close: () => Promise<void>): { readonly release: () => void } {
    this.#kept.add(close);
    return { release: () => this.#kept.delete(close) };
  }

  /** Shut down; only when nobody uses it any more, and nobody may afterwards. */
  async close(): Promise<void> {
    const { rados } = this.ceph;
    await Promise.all([...this.#kept].map((close) => close()));
    await Promise.allSettled(this.#closing);
    const opened = await Promise.allSettled(this.#pools.values());
    for (const pool of opened) if (pool.status === 'fulfilled') rados.closePool.now(pool.value);
    for (const io of this.#stale) rados.closePool.now(io);
    await rados.shutdown.later(this.cluster);
  }

  #open(at: WirePool): Promise<Ioctx> {
    const { rados } = this.ceph;
    return withCells(1, async (cells) => {
      const result = await rados.openPool.later(this.cluster, at.pool, cells.at(0));
      if (result === -ENOENT) throw refusalError('BERTH_POOL_NOT_FOUND', { pool: at.pool, cluster: at.access.cluster });
      check(result, 'open pool');
      const io = cells.u64(0) as Ioctx;
      if (at.namespace !== '') rados.setNamespace.now(io, at.namespace);
      rados.failWhenFull?.now(io);
      return io;
    });
  }
}

const nameOf = (at: WirePool): string => `${at.pool}\0${at.namespace}`;
