/** A loopback address for each cluster, so that several run side by side on Ceph's own ports. */
import { createHash } from 'node:crypto';
import net from 'node:net';
import { berthError } from '../../model/errors.js';

export const MSGR2_PORT = 3300;
export const MSGR1_PORT = 6789;
/** The first port that managers and OSDs take. */
const FIRST_DAEMON_PORT = 6800;
const ATTEMPTS = 32;

/** The n-th choice for a directory: 127.64-191.0-255.1-254, away from 127.0.0.1 and 127.0.1.1. */
export function candidate(directory: string, attempt: number): string {
  const [a = 0, b = 0, c = 0] = createHash('sha256').update(`${directory}\0${attempt}`).digest();
  return `127.${64 + (a % 128)}.${b}.${1 + (c % 254)}`;
}

function canBind(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}

/** The first candidate on which nobody listens; BERTH_CLUSTER_UNREACHABLE where none is free. */
export async function freeAddress(directory: string): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const host = candidate(directory, attempt);
    const free = await Promise.all([MSGR2_PORT, MSGR1_PORT, FIRST_DAEMON_PORT].map((port) => canBind(host, port)));
    if (!free.includes(false)) return host;
  }
  throw berthError('BERTH_CLUSTER_UNREACHABLE', {
    cluster: directory,
    why: `none of ${ATTEMPTS} loopback addresses is free`,
  });
}

/** The monitor's address vector, as `mon host` and monmaptool take it. */
export const monitorVector = (host: string): string => `[v2:${host}:${MSGR2_PORT},v1:${host}:${MSGR1_PORT}]`;

/** Does something accept connections on the monitor's msgr2 port? Answers in at most `ms` ms. */
export function monitorAnswers(host: string, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port: MSGR2_PORT });
    const end = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), ms);
    // The monitor speaks first ("ceph v2"); a listener whose process hangs does not.
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
  });
}
