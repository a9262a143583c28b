/**
 * A kubelet's volume directory that a crash left behind: removed piece by piece, each only where it is ours, empty, at
 * rest and no mount.
 */
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { lstat, readdir, readFile, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../../host/errno.js';
import { readMounts, type Mount } from '../../../host/mount/mountinfo.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Journal } from '../../../journal/journal.js';
import type { Mappers } from '../node-mappers.js';
import { asOnlyOperation, type OperationParts, type RecoveryOutcome } from './as-only-operation.js';

/** Where the kubelet writes down whose volume a directory is (its name since Kubernetes 1.13). */
export const DATA_FILE = 'vol_data.json';
/** The same file on its way out; found after a crash in between it means the same. */
export const DATA_DRAFT = `${DATA_FILE}.berth`;

/** Between the look at a name and the open of what it is, in one call of the kernel; many times that, ms. */
const OPENED_MS = 20;

export interface OrphanedDirectory {
  readonly volume: string;
  /** Has the data file and the mount point in it, and nothing else. */
  readonly directory: string;
  /** `mount` or `globalmount`. */
  readonly mountPoint: string;
  /** Nothing may be mounted anywhere in here: the pod's directory, or the volume's own. */
  readonly quietBelow: string;
  /** Wall clock, ms: whatever changed later is in use by somebody. */
  readonly unchangedSince: number;
  readonly driver: string;
}

/** Needs no cluster. */
export interface OrphanedDirectoryParts extends OperationParts {
  readonly journal: Pick<Journal, 'read'>;
  readonly mappers: Pick<Mappers, 'findUnrecorded'>;
}

/**
 * `changed` where it is not (any more) a leftover of ours. BERTH_TARGET_OCCUPIED where something is in it that is not
 * ours to remove: it stays then as far as it was not empty. A stage that comes meanwhile gets BUSY: the kubelet made
 * its directory before the call, and makes it again before the next.
 */
export function removeOrphanedDirectory(
  parts: OrphanedDirectoryParts,
  leftover: OrphanedDirectory,
  deadline: Deadline,
): Promise<RecoveryOutcome> {
  const act = { key: leftover.volume, act: `clear ${leftover.directory}`, callers: 'come again' } as const;
  return asOnlyOperation(parts, act, deadline, async (operation, deadline) => {
    operation.step('look');
    if (!(await isAtRest(parts, leftover, deadline))) return 'changed';
    operation.step('remove mount point');
    await removeEmpty(leftover.mountPoint);
    operation.step('remove data file');
    if (!(await removeData(leftover))) return 'changed';
    operation.step('remove directory');
    await removeEmpty(leftover.directory);
    return 'done';
  });
}

async function isAtRest(
  { journal, mappers }: OrphanedDirectoryParts,
  leftover: OrphanedDirectory,
  deadline: Deadline,
): Promise<boolean> {
  const { volume, directory, mountPoint, quietBelow, unchangedSince } = leftover;
  if ((await journal.read(volume)) !== undefined) return false;
  if ((await mappers.findUnrecorded(volume, deadline)) !== undefined) return false;
  if ((await readMounts()).some((mount) => isMountIn(mount, quietBelow))) return false;
  // Not the directory's own time: it changes whenever one of these comes or goes, by our hand too.
  const times = await Promise.all([path.join(directory, DATA_FILE), mountPoint].map(changedAt));
  if (times.some((at) => at > unchangedSince)) return false;
  // Through a symbolic link these would be files of somebody else.
  if (!(await lstat(directory)).isDirectory()) return false;
  const known = [DATA_FILE, DATA_DRAFT, path.basename(mountPoint)];
  const others = (await readdir(directory)).filter((name) => !known.includes(name));
  if (others.length > 0)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: directory, what: `also the place of ${others[0] ?? ''}` });
  const file = path.join(directory, DATA_FILE);
  const text = await readFile(file, 'utf8').catch(() => readFile(path.join(directory, DATA_DRAFT), 'utf8'));
  const data = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return data['driverName'] === leftover.driver && data['volumeHandle'] === volume;
}

const isMountIn = (mount: Mount, directory: string): boolean =>
  mount.target === directory || mount.target.startsWith(`${directory}/`);

/** 0 for what is not there. Only asked of paths that the mount table shows free. */
async function changedAt(file: string): Promise<number> {
  try {
    return (await lstat(file)).mtimeMs;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    const what = isErrno(error, 'ENOTEMPTY', 'EEXIST') ? 'a directory that is not empty' : 'not a directory to remove';
    throw berthError('BERTH_TARGET_OCCUPIED', { path: directory, what }, error);
  }
}

/**
 * The kubelet writes this file anew right before it asks for the volume, and without it could never take the pod down:
 * a file that was written in between must survive. So it is moved aside, its time is read, and it is put back where it
 * is fresh. Whoever had looked the name up by then, and opens what it was, is given a moment to do so: the time tells.
 */
async function removeData({ directory, unchangedSince }: OrphanedDirectory): Promise<boolean> {
  const file = path.join(directory, DATA_FILE);
  const draft = path.join(directory, DATA_DRAFT);
  try {
    renameSync(file, draft);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  await sleep(OPENED_MS);
  const stats = lstatSync(draft, { throwIfNoEntry: false });
  if (stats === undefined) return true;
  const isFresh = !stats.isFile() || stats.mtimeMs > unchangedSince;
  if (isFresh && !putBack(draft, file)) return false;
  unlinkSync(draft);
  return !isFresh;
}

/** False where it could not be; a newer one in its place is as good. */
function putBack(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    return isErrno(error, 'EEXIST');
  }
}
