/**
 * Paths that callers give us. Where something is to be made or removed they are absolute and plain, and no link at
 * their end leads elsewhere; where something is only looked at they may lead there in any way.
 */
import { readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { berthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import { isErrno } from '../errno.js';

/** PATH_MAX less the final NUL. */
const MAX_PATH_BYTES = 4095;
/** NAME_MAX */
const MAX_NAME_BYTES = 255;
/** MAXSYMLINKS of the kernel (fs/namei.c). */
const MAX_LINKS = 40;

/** Throws BERTH_FIELD_INVALID naming `field` for a path that is not absolute and plain. */
export function checkAbsolute(field: string, given: string): void {
  const why = whyNotPlain(given);
  if (why !== undefined) throw berthError('BERTH_FIELD_INVALID', { field, why });
}

/**
 * The path with its directory resolved: kubelet's root may be a symbolic link, what it gives us may not, and is
 * BERTH_FIELD_INVALID. Parts that do not exist (yet, or any more) stay as given. The last component itself is not
 * examined beyond that: it may be a dead mount.
 */
export async function resolveTarget(field: string, given: string): Promise<string> {
  checkAbsolute(field, given);
  const [directory, isLink] = await settleAll(
    resolveExisting(field, path.dirname(given)),
    // Through whatever links its directory has: it is the same end.
    isSymbolicLink(given),
  );
  if (isLink) throw berthError('BERTH_FIELD_INVALID', { field, why: `${given} is a symbolic link` });
  return path.join(directory, path.basename(given));
}

/**
 * Where a path leads, with slashes at its end, `.`, `..` and links resolved as the kernel does; undefined where its
 * directory is not there, and where it is not absolute. What lies at its end is not examined: it may be a dead mount.
 */
export async function whereLeads(given: string): Promise<string | undefined> {
  let asked = given;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const at = isAskable(asked) ? await withDirectoryResolved(asked) : undefined;
    if (at === undefined) return undefined;
    const link = await readlink(at).catch(() => undefined);
    if (link === undefined) return at;
    asked = link.startsWith('/') ? link : `${path.dirname(at)}/${link}`;
  }
  return undefined;
}

const isAskable = (given: string): boolean => given.startsWith('/') && !given.includes('\0');

async function withDirectoryResolved(given: string): Promise<string | undefined> {
  const plain = given.replace(/\/(\.?\/)*\.?$/, '');
  try {
    // `..` is no name: what it leads to is known once all before it is resolved.
    if (plain === '' || path.basename(plain) === '..') return await realpath(given);
    return path.join(await realpath(path.dirname(plain)), path.basename(plain));
  } catch {
    return undefined;
  }
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
