/** A file's name goes, in one call: what rm does for it takes three. */
import { unlink } from 'node:fs/promises';
import { isErrno } from './errno.js';

/** There no more is a success; other errors of unlink(2) as they are. */
export async function unlinkIfThere(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
