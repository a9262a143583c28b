/**
 * `hyper-flexvolume.json`, by which frakti finds an image in place of a directory and hyperd has QEMU open it: there
 * whole, or not.
 */
import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from '../../host/errno.js';
import { mountAt } from '../../host/mount/mountinfo.js';
import type { FilesystemType } from '../../model/capability.js';
import { berthError } from '../../model/errors.js';
import type { Secret } from '../../model/secret.js';

/** The name that frakti looks for in the directory of each mount (pkg/flexvolume/metadata.go). */
export const HAND_OVER_FILE = 'hyper-flexvolume.json';
/** Never looked at by frakti; removed with the file, for it holds the key too. */
const DRAFT = `.${HAND_OVER_FILE}.berth`;

export interface HandOverFile {
  /** `image`, or `namespace/image`, as QEMU takes it behind `rbd:pool/`. */
  readonly image: string;
  readonly pool: string;
  readonly fsType: FilesystemType;
  /** Without `client.`. */
  readonly user: string;
  readonly key: Secret;
  /** `ip:port` of the first messenger; hyperd escapes nothing but the colons. */
  readonly monitors: readonly string[];
}

/** frakti's spelling, and no other member: its decoder is Go's, whose names are `cephRBDOptsData` and these six. */
export const textOf = ({ image, pool, fsType, user, key, monitors }: HandOverFile): string =>
  JSON.stringify({ cephRBDOptsData: { volumeID: image, pool, fsType, user, keyring: key.reveal(), monitors } });

/** Which image a file speaks of; its key stays where it is. */
export interface ReadHandOver {
  readonly pool: string;
  readonly image: string;
}

/**
 * Write the file into a directory that exists, is no mount and is empty but for it:
 * 0600, renamed into place, on the disk before anything else is done. One that says
 * the same already is left alone. BERTH_TARGET_OCCUPIED, BERTH_HAND_OVER_FAILED.
 */
export async function writeHandOverFile(directory: string, handOff: HandOverFile): Promise<void> {
  await checkDirectory(directory);
  const file = path.join(directory, HAND_OVER_FILE);
  const text = textOf(handOff);
  if (await isAsWritten(file, text)) return;
  const draft = path.join(directory, DRAFT);
  try {
    await removeOne(draft);
    // 'wx', and no link is followed: a key is written into nobody else's file.
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
    await syncDirectory(directory);
  } catch (error) {
    await removeOne(draft).catch(() => undefined);
    throw handOverFileError(directory, error);
  }
}

/** Remove it; nothing there is a success, a directory that is gone too. BERTH_HAND_OVER_FAILED. */
export async function removeHandOverFile(directory: string): Promise<void> {
  // What is mounted there is not ours, and may hang.
  if ((await mountAt(directory)) !== undefined) return;
  try {
    const removed = [
      await removeOne(path.join(directory, HAND_OVER_FILE)),
      await removeOne(path.join(directory, DRAFT)),
    ];
    if (removed.includes(true)) await syncDirectory(directory);
  } catch (error) {
    throw handOverFileError(directory, error);
  }
}

/** What lies in the directory; undefined where nothing does, or nothing that can be read. */
export async function readHandOverFile(directory: string): Promise<ReadHandOver | undefined> {
  if ((await mountAt(directory)) !== undefined) return undefined;
  try {
    const handle = await open(path.join(directory, HAND_OVER_FILE), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return imageIn(JSON.parse(await handle.readFile('utf8')));
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

function imageIn(value: unknown): ReadHandOver | undefined {
  const data = (value as { readonly cephRBDOptsData?: Readonly<Record<string, unknown>> } | null)?.cephRBDOptsData;
  const { volumeID: image, pool } = data ?? {};
  return typeof image === 'string' && typeof pool === 'string' ? { image, pool } : undefined;
}

async function checkDirectory(directory: string): Promise<void> {
  const occupiedError = (what: string): Error => berthError('BERTH_TARGET_OCCUPIED', { path: directory, what });
  const mount = await mountAt(directory);
  if (mount !== undefined) throw occupiedError(`a mount of ${mount.source}`);
  try {
    if (!(await lstat(directory)).isDirectory()) throw occupiedError('not a directory');
    const other = (await readdir(directory)).find((name) => name !== HAND_OVER_FILE && name !== DRAFT);
    if (other !== undefined) throw occupiedError(`a directory that holds ${other}`);
  } catch (error) {
    throw isErrno(error, 'ENOENT', 'ENOTDIR') ? handOverFileError(directory, error) : error;
  }
}

async function isAsWritten(file: string, text: string): Promise<boolean> {
  try {
    const stats = await lstat(file);
    return stats.isFile() && (stats.mode & 0o7777) === 0o600 && (await readFile(file, 'utf8')) === text;
  } catch {
    return false;
  }
}

/** True where it was there. */
async function removeOne(file: string): Promise<boolean> {
  try {
    await unlink(file);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const handOverFileError = (directory: string, error: unknown): Error =>
  berthError('BERTH_HAND_OVER_FAILED', { directory, why: (error as NodeJS.ErrnoException).code ?? 'failed' }, error);
