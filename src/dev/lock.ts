/**
 * One holder per directory and purpose: an abstract unix socket, which the kernel frees when its holder dies, however
 * it dies.
 */
import { createHash } from 'node:crypto';
import net from 'node:net';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';

export type Purpose = 'change' | 'serve';

export interface Lock {
  release(): Promise<void>;
}

/** Who holds a lock, as it tells everybody that connects. */
export interface Holder {
  readonly pid: number;
  readonly what: string;
}

const socketName = (directory: string, purpose: Purpose): string =>
  `\0berth-${purpose}-${createHash('sha256').update(directory).digest('hex').slice(0, 32)}`;

/** Hold the name, or undefined where somebody else does. */
function tryHold(name: string, what: string): Promise<Lock | undefined> {
  const waiting = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    waiting.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => waiting.delete(socket));
    socket.write(`${process.pid} ${what}\n`);
  });
  const release = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of waiting) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref();
      resolve({ release });
    });
  });
}

/** Wait until the holder lets go (its end closes the connection) or the time is over; tells who it was. */
function awaitRelease(name: string, deadline: Deadline, onHolder: (holder: Holder) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(name);
    const timer = setTimeout(() => socket.destroy(), deadline.remaining());
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      const match = /^(\d+) (.*)\n/.exec(text);
      if (match?.[1] !== undefined && match[2] !== undefined) onHolder({ pid: Number(match[1]), what: match[2] });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Take the directory (a real path) for `purpose`, waiting for another holder until `deadline`; then
 * BERTH_DIRECTORY_BUSY naming it.
 */
export async function lockDirectory(
  directory: string,
  purpose: Purpose,
  what: string,
  deadline: Deadline,
): Promise<Lock> {
  const name = socketName(directory, purpose);
  let holder: Holder | undefined;
  for (;;) {
    const lock = await tryHold(name, what);
    if (lock !== undefined) return lock;
    await awaitRelease(name, deadline, (who) => (holder = who));
    if (deadline.expired) {
      const who = holder === undefined ? 'another process' : `process ${holder.pid} (${holder.what})`;
      throw berthError('BERTH_DIRECTORY_BUSY', { directory, holder: who });
    }
  }
}

/** Who holds it now; undefined where nobody does. */
export async function holderOf(directory: string, purpose: Purpose, deadline: Deadline): Promise<Holder | undefined> {
  let holder: Holder | undefined;
  const patience = deadline.within(500);
  await awaitRelease(socketName(directory, purpose), patience, (who) => (holder = who));
  return holder;
}
