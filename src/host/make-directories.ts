/** Directories with all that is missing above them, each tried a fixed number of times. */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from './errno.js';

/**
 * Make a directory and what is missing above it; there already is a success. Throws what mkdir(2) says: ENOENT where
 * the kernel never takes a name there (a directory that was removed while something is bound to it, /proc), EEXIST
 * where something else than a directory is in the way. Node's own recursive mkdir tries such a path for ever.
 */
export async function makeDirectories(directory: string, mode: number): Promise<void> {
  try {
    await makeOne(directory, mode);
  } catch (error) {
    const parent = path.dirname(directory);
    if (!isErrno(error, 'ENOENT') || parent === directory) throw error;
    await makeDirectories(parent, mode);
    await makeOne(directory, mode);
  }
}

async function makeOne(directory: string, mode: number): Promise<void> {
  try {
    await mkdir(directory, { mode });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    const there = await stat(directory).catch(() => undefined);
    if (there?.isDirectory() !== true) throw error;
  }
}
