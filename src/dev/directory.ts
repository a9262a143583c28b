/** Directories that a development tool makes and removes: real paths, and never an rm across a mount. */
import { realpath, rm, rmdir } from 'node:fs/promises';
import { readMounts } from '../host/mount/mountinfo.js';
import { berthError } from '../model/errors.js';

const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** Is `file` the directory itself or below it? Both are real paths. */
export const isWithin = (directory: string, file: string): boolean =>
  file === directory || file.startsWith(`${directory}/`);

/** The real path; undefined where there is nothing. */
export const realDirectory = (directory: string): Promise<string | undefined> =>
  realpath(directory).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });

/**
 * Remove a file or tree of ours; refused (LEFTOVER) while anything is mounted in it,
 * since rm would empty that filesystem.
 */
export async function removeTree(tree: string): Promise<void> {
  const mount = (await readMounts()).find((one) => isWithin(tree, one.target));
  if (mount !== undefined)
    throw berthError('BERTH_LEFTOVER', { what: tree, why: `${mount.fsType} is mounted at ${mount.target}` });
  await rm(tree, { recursive: true, force: true });
}

/** Remove a directory where nothing is left in it. */
export async function removeIfEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch((error: unknown) => {
    if (!hasCode(error, 'ENOTEMPTY', 'ENOENT', 'EEXIST')) throw error;
  });
}
