/**
 * What an integration test asks of the real cluster: who may use it, a place of its own in it, and the admin's
 * programs.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { constants } from 'node:os';
import path from 'node:path';
import { inject } from 'vitest';
import { adminOf, type Admin } from '../../src/dev/ceph/admin.js';
import { layoutOf } from '../../src/dev/ceph/layout.js';
import { declarePool, preparePool } from '../../src/dev/ceph/make-pools.js';
import { capArguments, volumeCaps } from '../../src/dev/ceph/users.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { Secret } from '../../src/model/secret.js';
import type { ClusterAccess } from '../../src/rbd/port.js';
import type { ProvidedCluster } from './cluster.setup.js';

export const cluster = (): ProvidedCluster => inject('cluster');

const unique = (label: string): string => `${label}-${randomBytes(4).toString('hex')}`;
const soon = (): Deadline => Deadline.after(60_000);

/** `ceph` and `rbd` as client.admin: only to look, prepare and provoke; what is tested uses {@link accessAs}. */
export const admin = (): Admin => adminOf(run, layoutOf(cluster().clusterDirectory));

/** The cluster as Berth's least-privilege user sees it. */
export function accessAs(role: 'controller' | 'node'): ClusterAccess {
  const { monitors, users } = cluster();
  return { cluster: 'dev', monitors, user: users[role].id, key: new Secret(users[role].key) };
}

export interface Place {
  readonly pool: string;
  readonly namespace: string;
  /** With everything in it. */
  remove(): Promise<void>;
}

async function removeImages(pool: string, namespace: string): Promise<void> {
  const at = ['--pool', pool, '--namespace', namespace];
  const list = async (): Promise<string[]> =>
    JSON.parse(await admin().rbd(['ls', ...at, '--format', 'json'], soon())) as string[];
  // What a driver had asked Ceph to remove may go by itself meanwhile, and is open while its purge is at it.
  const gone = { okCodes: [0, constants.errno.ENOENT, constants.errno.EBUSY, constants.errno.ESTALE] };
  const late = soon();
  for (let images = await list(); images.length > 0; images = await list()) {
    if (late.expired) throw new Error(`${pool}/${namespace}: somebody has images open: ${images.join(', ')}`);
    for (const image of images) {
      await admin().rbd(['snap', 'purge', '--no-progress', ...at, '--image', image], soon(), gone);
      await admin().rbd(['rm', '--no-progress', ...at, '--image', image], soon(), gone);
    }
  }
}

/** A RADOS namespace of the pool `hyper` for one test file: quick, and within the caps of Berth's users. */
export async function isolatedNamespace(label: string): Promise<Place> {
  const { pool } = cluster();
  const namespace = unique(label);
  await admin().rbd(['namespace', 'create', `${pool}/${namespace}`], soon());
  const remove = async (): Promise<void> => {
    await removeImages(pool, namespace);
    // Berth's own objects (node registry) keep a namespace from being removed: it ends with the cluster then.
    await admin()
      .rbd(['namespace', 'rm', `${pool}/${namespace}`], soon())
      .catch(() => undefined);
  };
  return { pool, namespace, remove };
}

export interface IsolatedPool extends Place {
  /** A user with Berth's caps for this pool, and for those that were named. */
  readonly access: ClusterAccess;
}

/** A pool of its own with a user of its own (some seconds: the monitor takes one for each step). */
export async function isolatedPool(label: string): Promise<IsolatedPool> {
  const place = await barePool(label);
  await preparePool(admin(), { name: place.pool, namespaces: [] }, soon());
  return place;
}

/** A pool that was never prepared for images. */
export async function barePool(label: string, also: readonly string[] = []): Promise<IsolatedPool> {
  const pool = unique(label);
  const user = `it-${pool}`;
  await declarePool(admin(), pool, soon());
  const caps = capArguments(volumeCaps([pool, ...also]));
  const key = await admin().ceph(['auth', 'get-or-create-key', `client.${user}`, ...caps], soon());
  const remove = async (): Promise<void> => {
    await admin().ceph(['config', 'set', 'mon', 'mon_allow_pool_delete', 'true'], soon());
    await admin().ceph(['osd', 'pool', 'rm', pool, pool, '--yes-i-really-really-mean-it'], soon());
    await admin().ceph(['auth', 'rm', `client.${user}`], soon());
  };
  const access = { cluster: 'dev', monitors: cluster().monitors, user, key: new Secret(key.trim()) };
  return { pool, namespace: '', access, remove };
}

/** `rbd_header.<id>` in its pool and namespace, as `rados` wants it. */
export interface HeaderPlace {
  readonly pool: string;
  readonly namespace: string;
  readonly id: string;
}

/** Who watches an image's header: `127.0.0.1:0/123`, also of an image that is being removed. */
export async function watcherAddresses(of: Admin, { pool, namespace, id }: HeaderPlace): Promise<readonly string[]> {
  const where = ['--pool', pool, '--namespace', namespace];
  const list = await of.rados([...where, 'listwatchers', `rbd_header.${id}`], soon());
  return [...list.matchAll(/^watcher=(\S+) /gm)].map(([, address = '']) => address);
}

/**
 * Have Ceph forget these clients at once, which it does with one that died after 30 s: the watches of who is on the
 * blocklist go. Only for clients that are dead, and where the wait is not what is tested.
 */
export async function forgetClients(of: Admin, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) await of.ceph(['osd', 'blocklist', 'add', address, '600'], soon());
}

/** A fresh directory with a short path, whose mounts, loop devices and daemons are undone with the cluster. */
export async function scratchDirectory(label: string): Promise<string> {
  const { scratch } = cluster();
  await mkdir(scratch, { recursive: true });
  return mkdtemp(path.join(scratch, `${label}-`));
}
