/** Can the node's journal be written, and for how long? */
import { access, constants, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import { withinDeadline } from '../../model/time-limit.js';
import { isErrno } from '../../host/errno.js';

/** An entry is a kilobyte; a filesystem with less than this is about to be full for others as well. */
const LOW_BYTES = 16n * 1024n * 1024n;
const LOW_FILES = 100n;
/** Below this not even one entry is sure to fit. */
const FULL_BYTES = 64n * 1024n;
const NAME = 'state-directory';

/** @param directory made at the first start: until then what is above it counts */
export async function checkStateDirectory(directory: string, deadline: Deadline): Promise<Finding> {
  try {
    const there = await withinDeadline(nearest(directory), `examining ${directory}`, deadline);
    return await withinDeadline(examine(directory, there), `examining ${directory}`, deadline);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    return failed(`${directory} cannot be used (${why}); nothing can be staged until it can`);
  }
}

async function examine(directory: string, there: string): Promise<Finding> {
  await access(there, constants.W_OK | constants.X_OK);
  const { bsize, blocks, bavail, files, ffree } = await statfs(there, { bigint: true });
  const free = bavail * bsize;
  // Some filesystems (btrfs, overlay on it) count no files: 0 of 0.
  const full = (blocks > 0n && free < FULL_BYTES) || (files > 0n && ffree === 0n);
  if (full) return failed(`${directory} is full, so nothing can be staged; free space there`);
  if ((blocks > 0n && free < LOW_BYTES) || (files > 0n && ffree < LOW_FILES)) {
    const says = `${directory} has only ${free >> 10n} KiB and ${ffree} files left; free space before staging stops`;
    return { name: NAME, level: 'warning', says };
  }
  return { name: NAME, level: 'ok', says: `${directory}: ${free >> 20n} MiB free` };
}

async function nearest(directory: string): Promise<string> {
  try {
    await access(directory);
    return directory;
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || directory === '/') throw error;
    return nearest(path.dirname(directory));
  }
}

const failed = (says: string): Finding => ({ name: NAME, level: 'failed', says });
