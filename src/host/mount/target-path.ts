/** Paths that callers give us: absolute, plain, and not leading elsewhere through a symbolic link. */
import { readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { berthError } from '../../model/errors.js';
import { isErrno } from '../errno.js';

/** PATH_MAX less the final NUL. */
const MAX_PATH_BYTES = 4095;
/** NAME_MAX */
const MAX_NAME_BYTES = 255;

/** Throws BERTH_FIELD_INVALID naming `field` for a path that is not absolute and plain. */
export function checkAbsolute(field: string, given: string): void {
  const why = whyNotPlain(given);
  if (why !== undefined) throw berthError('BERTH_FIELD_INVALID', { field, why });
}

/** Would {@link checkAbsolute} accept it? */
export const isAbsolutePath = (given: string): boolean => whyNotPlain(given) === undefined;

/**
 * The path with its directory resolved: kubelet's root may be a symbolic link, what it gives us may not, and is
 * BERTH_FIELD_INVALID. Parts that do not exist (yet, or any more) stay as given. The last component itself is not
 * examined beyond that: it may be a dead mount.
 */
export async function resolveTarget(field: string, given: string): Promise<string> {
  checkAbsolute(field, given);
  const resolved = path.join(await resolveExisting(field, path.dirname(given)), path.basename(given));
  if (await isSymbolicLink(resolved)) {
    throw berthError('BERTH_FIELD_INVALID', { field, why: `${given} is a symbolic link` });
  }
  return resolved;
}

function whyNotPlain(given: string): string | undefined {
  if (given === '') return 'it is empty';
  if (given.includes('\0')) return 'it holds a NUL character';
  if (Buffer.byteLength(given) > MAX_PATH_BYTES) return `it is longer than ${MAX_PATH_BYTES} bytes`;
  if (!given.startsWith('/')) return `${given} is not absolute`;
  if (given.endsWith('/')) return `${given} ends with a slash`;
  const names = given.split('/');
  if (names.some((name) => name === '.' || name === '..')) return `${given} holds . or ..`;
  if (names.some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)) {
    return `a part of it is longer than ${MAX_NAME_BYTES} bytes`;
  }
  return undefined;
}

async function resolveExisting(field: string, directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT') && directory !== '/') {
      return path.join(await resolveExisting(field, path.dirname(directory)), path.basename(directory));
    }
    const why = isErrno(error, 'ENOTDIR')
      ? `a part of ${directory} is not a directory`
      : `${directory} cannot be resolved`;
    throw berthError('BERTH_FIELD_INVALID', { field, why }, error);
  }
}

/** By readlink, which unlike lstat asks nothing of a filesystem that is mounted there. */
async function isSymbolicLink(file: string): Promise<boolean> {
  try {
    await readlink(file);
    return true;
  } catch {
    return false;
  }
}
