/** Where the driver listens: reads a CSI endpoint and makes room for its socket without taking a living one. */
import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { type BerthError, berthError } from '../model/errors.js';

const SCHEME = 'unix://';
/** sun_path of sockaddr_un has 108 bytes, one of them the closing NUL (unix(7)). */
const LONGEST = 107;
const CONNECT_MS = 1000;

const endpointError = (endpoint: string, why: string, cause?: unknown): BerthError =>
  berthError('BERTH_CONFIG_INVALID', { file: `endpoint ${endpoint}`, why }, cause);

/** The socket's path of `unix:///absolute/path.sock`. BERTH_CONFIG_INVALID for every other form. */
export function socketPath(endpoint: string): string {
  const file = endpoint.slice(SCHEME.length);
  if (!endpoint.startsWith(SCHEME) || !path.isAbsolute(file)) {
    throw endpointError(endpoint, 'it must read unix:///absolute/path.sock');
  }
  if (path.normalize(file) !== file || file.endsWith('/') || file.includes('\0')) {
    throw endpointError(endpoint, 'its path must be a plain absolute file name');
  }
  const length = Buffer.byteLength(file);
  if (length > LONGEST) throw endpointError(endpoint, `its path has ${length} bytes, a unix socket allows ${LONGEST}`);
  return file;
}

/**
 * Removes a socket at `file` that nobody serves. BERTH_CONFIG_INVALID where somebody does, or where it is no socket.
 */
export async function clearStaleSocket(file: string): Promise<void> {
  const found = await lstat(file).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw endpointError(file, 'it cannot be looked at', error);
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw endpointError(file, 'a file that is not a socket lies there');
  if (await isServed(file)) throw endpointError(file, 'another process serves it');
  await unlink(file);
}

/** Does a process answer at this socket? Only a refused connection is a no: any doubt counts as a yes. */
function isServed(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(file);
    const end = (served: boolean): void => {
      probe.destroy();
      resolve(served);
    };
    probe.setTimeout(CONNECT_MS, () => end(true));
    probe.once('connect', () => end(true));
    probe.once('error', (error) => end(!hasCode(error, 'ECONNREFUSED') && !hasCode(error, 'ENOENT')));
  });
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
