/**
 * Monitors one by one: each is connected to and has to say who it is. One that accepts and stays silent is found out as
 * well; a client that meets it first may wait for minutes.
 */
import net from 'node:net';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { Clusters } from '../../rbd/clusters.js';
import { endpointsOf, endpointText, type Endpoint } from '../../rbd/monitor-address.js';
import { configuredClusters } from './configured-clusters.js';

/** What a messenger says as soon as it is connected to (msgr2 and msgr1 banners). */
const BANNERS = { v2: 'ceph v2\n', v1: 'ceph v027' } as const;
/** How long one may take, ms: farther away than this, nothing else would work in time either. */
const PATIENCE_MS = 3_000;
const LONGEST_BANNER = 9;

/**
 * One finding for each monitor. A monitor that is down is a warning while another one answers: the cluster works, but
 * whoever tries the dead one first waits.
 */
export async function checkMonitors(clusters: Pick<Clusters, 'all'>, deadline: Deadline): Promise<readonly Finding[]> {
  const all = await configuredClusters(clusters);
  return (await Promise.all(all.map(({ id, monitors }) => checkMonitorsOf(id, monitors, deadline)))).flat();
}

/** Of one cluster. */
export async function checkMonitorsOf(
  cluster: string,
  monitors: readonly string[],
  deadline: Deadline,
): Promise<readonly Finding[]> {
  const found = await Promise.all(monitors.map((monitor) => checkMonitor(cluster, monitor, deadline)));
  const oneAnswers = found.some(({ level }) => level !== 'failed');
  return found.map((one) => (oneAnswers && one.level === 'failed' ? { ...one, level: 'warning' } : one));
}

async function checkMonitor(cluster: string, monitor: string, deadline: Deadline): Promise<Finding> {
  const endpoints = endpointsOf(monitor);
  const asked = await Promise.all(
    endpoints.map(async (endpoint) => ({ endpoint, ...(await greet(endpoint, deadline.within(PATIENCE_MS))) })),
  );
  const silent = asked.filter(({ why }) => why !== undefined);
  const about = (some: typeof asked): string => some.map(sayOf).join(', ');
  const name = `monitor ${cluster}/${monitor}`;
  if (asked.length === 0) return { name, level: 'failed', says: 'it has no address; correct clusters.yaml' };
  if (silent.length === 0) return { name, level: 'ok', says: about(asked) };
  if (silent.length === asked.length) {
    return {
      name,
      level: 'failed',
      says: `${about(silent)}; check monitor, firewall and the address in clusters.yaml`,
    };
  }
  const v1 = silent.some(({ endpoint }) => endpoint.messenger === 'v1');
  const advice = v1
    ? "the kernel's client speaks v1 unless mapOptions names a ms_mode; name only v2 in clusters.yaml if v1 is off"
    : 'open port 3300 for Ceph 14 and newer, or name only v1 in clusters.yaml';
  return { name, level: 'warning', says: `${about(asked)}; ${advice}` };
}

const sayOf = ({ endpoint, ms, why }: { endpoint: Endpoint; ms: number; why?: string }): string =>
  `${endpoint.messenger ?? 'messenger'} ${endpointText(endpoint)} ${why ?? `answers in ${ms} ms`}`;

/** Connect and wait for the banner; nothing is sent, so nothing is begun at the monitor. */
function greet({ host, port, messenger }: Endpoint, deadline: Deadline): Promise<{ ms: number; why?: string }> {
  const began = performance.now();
  const patience = Math.ceil(deadline.remaining());
  return new Promise((resolve) => {
    let said = '';
    let connected = false;
    const socket = net.connect({ host, port });
    const end = (why?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ms: Math.round(performance.now() - began), ...(why === undefined ? {} : { why }) });
    };
    const timer = setTimeout(
      () => end(connected ? `accepts connections and says nothing (${patience} ms)` : `no answer in ${patience} ms`),
      patience,
    );
    socket.once('connect', () => (connected = true));
    socket.once('error', (error: NodeJS.ErrnoException) => end(reasonOf(error)));
    socket.once('close', () => end('closes the connection'));
    socket.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString('latin1')).slice(0, LONGEST_BANNER);
      const wanted = messenger === undefined ? Object.values(BANNERS) : [BANNERS[messenger]];
      if (wanted.some((banner) => said.startsWith(banner))) end();
      else if (!wanted.some((banner) => banner.startsWith(said)))
        end(`is not a Ceph monitor's ${messenger ?? 'messenger'}`);
    });
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections',
  EHOSTUNREACH: 'cannot be routed to',
  ENETUNREACH: 'cannot be routed to',
  ENOTFOUND: 'is a name that nobody knows',
  EAI_AGAIN: 'is a name that cannot be resolved now',
};

const reasonOf = (error: NodeJS.ErrnoException): string => REASONS[error.code ?? ''] ?? error.code ?? error.message;
