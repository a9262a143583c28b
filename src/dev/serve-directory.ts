/** Starts the cluster and a driver of a directory, and stays until it is told to end or the driver dies. */
import { run } from '../host/process/exec.js';
import { Deadline } from '../model/deadline.js';
import { clusterUp } from './ceph/cluster.js';
import { startDriver, type Driver } from './driver/start-driver.js';
import { stopDriverAt } from './leftovers.js';
import { lockDirectory } from './lock.js';
import { ensurePackages } from './packages.js';
import { say } from './say.js';
import { writeSettings } from './settings.js';
import { openSite, type DevSite } from './site.js';

const LOCK_MS = 500;
const PACKAGES_MS = 900_000;
const CLUSTER_MS = 90_000;
const READY_MS = 60_000;

export interface ServeRequest {
  readonly directory: string;
  /** Of one more driver on the directory's cluster; undefined for the first. */
  readonly name: string | undefined;
  readonly nodeId: string;
  /** Of the driver itself, handed on after ours: the last one counts. */
  readonly options: readonly string[];
}

/** Resolves at the first SIGTERM or SIGINT; later ones are swallowed, the driver is draining then. */
function waitUntilAskedToEnd(): Promise<'asked'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve('asked'));
  });
}

async function prepare(site: DevSite, { nodeId, options }: ServeRequest): Promise<Driver> {
  await ensurePackages(run, say, Deadline.after(PACKAGES_MS));
  const started = performance.now();
  const cluster = await clusterUp(run, { directory: site.cluster }, Deadline.after(CLUSTER_MS));
  say(`Ceph cluster up at ${cluster.monitors.join(' ')} after ${Math.round(performance.now() - started)} ms`);
  const settings = await writeSettings(site.directory, cluster);
  // One whose parent was killed still serves the socket.
  await stopDriverAt(site.socket, Deadline.after(READY_MS));
  return startDriver({
    socket: site.socket,
    clustersFile: settings.clusters,
    nodeId,
    stateDir: site.state,
    services: ['identity', 'controller', 'node'],
    logFile: site.log,
    options,
  });
}

/**
 * Serve; returns the exit code. BERTH_DIRECTORY_BUSY where another one serves it; BERTH_DRIVER_DIED with the driver's
 * last log lines.
 */
export async function serveDirectory(request: ServeRequest): Promise<number> {
  const asked = waitUntilAskedToEnd();
  const site = await openSite(request.directory, request.name);
  const lock = await lockDirectory(site.own, 'serve', 'npm run dev', Deadline.after(LOCK_MS));
  try {
    // A cluster that is half up is finished by the next start: nothing to wait for when we are asked to end now.
    const driver = await Promise.race([asked, prepare(site, request)]);
    if (driver === 'asked') return 0;
    try {
      const before = await Promise.race([asked, driver.ready(Deadline.after(READY_MS))]);
      if (before === 'asked') return 0;
      process.stdout.write(`ready ${driver.endpoint}\n`);
      if ((await Promise.race([asked, driver.ended])) !== 'asked') throw await driver.death();
      return 0;
    } finally {
      await driver.stop();
    }
  } finally {
    await lock.release();
  }
}
