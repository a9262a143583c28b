/**
 * A real single-node Ceph cluster in one directory: made, reused, mended after a crash, and removed without a trace.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { lockDirectory } from '../lock.js';
import { monitorAnswers, monitorVector } from './address.js';
import { adminOf, type Admin } from './admin.js';
import { runningDaemons, startDaemon, stopMakers, type Daemons } from './daemons.js';
import { makeMonitor, makeOsd, makeSite } from './genesis.js';
import { checkDirectoryName, layoutOf, type Layout } from './layout.js';
import { declarePool, haveFigures, lacking, merged, preparePool } from './make-pools.js';
import { cephOrigin, cephPrograms } from './programs.js';
import { newRecord, readRecord, writeRecord, type ClusterPool, type Record } from './cluster-record.js';
import { capArguments, CONTROLLER, controllerCaps, NODE, readKey, volumeCaps, type CephUser } from './users.js';

export const DEFAULT_POOL = 'hyper';

export interface Cluster {
  readonly directory: string;
  /** ceph.conf of the cluster, for the `ceph` and `rbd` programs. */
  readonly conf: string;
  readonly fsid: string;
  /** As ceph.conf's `mon host` takes them. */
  readonly monitors: readonly string[];
  readonly pools: readonly ClusterPool[];
  readonly users: { readonly controller: CephUser; readonly node: CephUser };
}

export interface ClusterRequest {
  readonly directory: string;
  /** Pools beside nothing; the default is `hyper` alone. */
  readonly pools?: readonly ClusterPool[];
  /** IPv4 address of this machine for a cluster that is made now; the default is a free loopback address. */
  readonly address?: string;
}

interface Site {
  readonly exec: Exec;
  readonly layout: Layout;
  readonly record: Record;
  readonly admin: Admin;
}

const MONITOR_PATIENCE_MS = 500;
const POLL_MS = 250;
const ATTEMPT_MS = 2_000;

async function describe({ layout, record }: Site): Promise<Cluster> {
  const [controller, node] = await Promise.all([
    readKey(layout, `client.${CONTROLLER}`),
    readKey(layout, `client.${NODE}`),
  ]);
  return {
    directory: layout.directory,
    conf: layout.conf,
    fsid: record.fsid,
    monitors: [monitorVector(record.address)],
    pools: record.pools,
    users: { controller: { id: CONTROLLER, key: controller }, node: { id: NODE, key: node } },
  };
}

/** A restarted OSD serves once an image directory can be read through it. */
async function waitForService({ admin }: Site, pools: readonly string[], deadline: Deadline): Promise<void> {
  for (;;) {
    // A client that began with the map of before the restart asks for a new one only after ten seconds; a new client
    // has it at once.
    const attempt = deadline.within(ATTEMPT_MS);
    try {
      await Promise.all(pools.map((pool) => admin.rbd(['ls', pool], attempt)));
      return;
    } catch (error) {
      if (!isBerthError(error, 'BERTH_DEADLINE') || deadline.expired) throw error;
    }
  }
}

async function waitForFigures({ admin }: Site, pools: readonly string[], deadline: Deadline): Promise<void> {
  while (!(await haveFigures(admin, pools, deadline))) {
    if (deadline.expired) throw berthError('BERTH_NOT_READY', { why: 'the manager reports no capacity' });
    await sleep(POLL_MS);
  }
}

/**
 * Start what does not run; the OSD is made meanwhile, and pools need only the monitor to be declared. True where the
 * monitor was made just now, and with it users whose caps cover the missing pools.
 */
async function startMissing(
  site: Site,
  running: Daemons,
  missing: readonly ClusterPool[],
  deadline: Deadline,
): Promise<boolean> {
  const { exec, layout, record, admin } = site;
  await stopMakers(layout, deadline);
  const born = running.mon === undefined && (await makeMonitor(exec, layout, record, missing, deadline));
  if (running.mon === undefined) await startDaemon(exec, layout, 'mon', deadline);
  const manager = async (): Promise<void> => {
    if (running.mgr === undefined) await startDaemon(exec, layout, 'mgr', deadline);
  };
  const osd = async (): Promise<void> => {
    if (running.osd !== undefined) return;
    await makeOsd(exec, layout, record, admin, deadline);
    await startDaemon(exec, layout, 'osd', deadline);
  };
  const declare = async (): Promise<void> => {
    for (const pool of missing) await declarePool(admin, pool.name, deadline);
  };
  await Promise.all([manager(), osd(), declare()]);
  return born;
}

async function allowPools({ admin }: Site, pools: readonly string[], deadline: Deadline): Promise<void> {
  const users = [[CONTROLLER, controllerCaps(pools)] as const, [NODE, volumeCaps(pools)] as const];
  for (const [user, caps] of users) {
    await admin.ceph(['auth', 'caps', `client.${user}`, ...capArguments(caps)], deadline);
  }
}

/** Prepare pools that are new and write it down. */
async function addPools(site: Site, missing: readonly ClusterPool[], deadline: Deadline): Promise<Site> {
  const pools = merged(site.record.pools, missing);
  for (const pool of missing) await preparePool(site.admin, pool, deadline);
  const record = { ...site.record, pools };
  await writeRecord(site.layout, record);
  return { ...site, record };
}

async function upLocked(exec: Exec, layout: Layout, request: ClusterRequest, deadline: Deadline): Promise<Cluster> {
  const wanted = request.pools ?? [{ name: DEFAULT_POOL, namespaces: [] }];
  const record = (await readRecord(layout)) ?? (await newRecord(layout, request.address));
  refuseOtherOrigin(layout, record);
  const site: Site = { exec: cephPrograms(exec), layout, record, admin: adminOf(exec, layout) };
  const running = await runningDaemons(layout);
  const missing = lacking(record.pools, wanted);
  const complete = running.mon !== undefined && running.mgr !== undefined && running.osd !== undefined;
  if (complete && missing.length === 0 && (await monitorAnswers(record.address, MONITOR_PATIENCE_MS))) {
    return describe(site);
  }
  await makeSite(layout, record);
  const born = await startMissing(site, running, missing, deadline);
  const names = merged(record.pools, missing).map((pool) => pool.name);
  if (!born && missing.length > 0) await allowPools(site, names, deadline);
  const finished = await addPools(site, missing, deadline);
  await waitForService(site, names, deadline);
  await waitForFigures(finished, names, deadline);
  return describe(finished);
}

/** The stores of one release are not opened by the daemons of another. */
function refuseOtherOrigin({ record: file }: Layout, { origin = 'host' }: Record): void {
  if (origin === cephOrigin()) return;
  const why = `the Ceph that made it is ${origin}, and this is ${cephOrigin()}: name it by --ceph, or take it down`;
  throw berthError('BERTH_CONFIG_INVALID', { file, why });
}

/**
 * Start the cluster of a directory: made anew, finished where an earlier attempt was cut off, restarted where
 * daemons died, or left as it is. A second caller waits for the first. Errors: BERTH_FIELD_INVALID,
 * BERTH_DIRECTORY_BUSY, BERTH_DAEMON_FAILED, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function clusterUp(exec: Exec, request: ClusterRequest, deadline: Deadline): Promise<Cluster> {
  checkDirectoryName(request.directory);
  await mkdir(request.directory, { recursive: true, mode: 0o700 });
  const layout = layoutOf(await realpath(request.directory));
  checkDirectoryName(layout.directory);
  const lock = await lockDirectory(layout.directory, 'change', 'bringing the cluster up', deadline);
  try {
    return await upLocked(exec, layout, request, deadline);
  } finally {
    await lock.release();
  }
}
