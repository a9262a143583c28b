/**
 * One owner per directory and purpose: an abstract unix socket, which the kernel frees when its owner dies, however
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

/** Who has a lock, as it tells everybody that connects. */
export interface LockOwner {
  readonly pid: number;
  readonly what: string;
}

const socketName = (directory: string, purpose: Purpose): string =>
  `\0berth-${purpose}-${createHash('sha256').update(directory).digest('hex').slice(0, 32)}`;

/** Take the name; undefined where somebody else does. */
function tryLock(name: string, what: string): Promise<Lock | undefined> {
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

/** Wait until the owner lets go (its end closes the connection) or the time is over; tells who it was. */
function awaitRelease(name: string, deadline: Deadline, onOwner: (owner: LockOwner) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(name);
    const timer = setTimeout(() => socket.destroy(), deadline.remaining());
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      const match = /^(\d+) (.*)\n/.exec(text);
      if (match?.[1] !== undefined && match[2] !== undefined) onOwner({ pid: Number(match[1]), what: match[2] });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Take the directory (a real path) for `purpose`, waiting for another owner until `deadline`; then
 * BERTH_DIRECTORY_BUSY naming it.
 */
export async function lockDirectory(
  directory: string,
  purpose: Purpose,
  what: string,
  deadline: Deadline,
): Promise<Lock> {
  const name = socketName(directory, purpose);
  let owner: LockOwner | undefined;
  for (;;) {
    const lock = await tryLock(name, what);
    if (lock !== undefined) return lock;
    await awaitRelease(name, deadline, (who) => (owner = who));
    if (deadline.expired) {
      const who = owner === undefined ? 'another process' : `process ${owner.pid} (${owner.what})`;
      throw berthError('BERTH_DIRECTORY_BUSY', { directory, holder: who });
    }
  }
}

/** Who has it now; undefined where nobody does. */
export async function lockOwnerOf(
  directory: string,
  purpose: Purpose,
  deadline: Deadline,
): Promise<LockOwner | undefined> {
  let owner: LockOwner | undefined;
  const patience = deadline.within(500);
  await awaitRelease(socketName(directory, purpose), patience, (who) => (owner = who));
  return owner;
}
