/** What the superblock on a device says of its filesystem, read by Berth itself: no child, no blkid, 4 KiB. */
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { readFirstPage } from '../device/first-page.js';
import type { Filesystem, Superblock } from './filesystem.js';

const READ_MS = 10_000;

/** BERTH_PROBE_FAILED where the device cannot be read or holds no such superblock, DEADLINE. */
export async function readSuperblock(
  device: string,
  { type, parseSuperblock }: Pick<Filesystem, 'type' | 'parseSuperblock'>,
  deadline = Deadline.after(READ_MS),
): Promise<Superblock> {
  const superblock = parseSuperblock(await firstPage(device, deadline));
  if (superblock === undefined)
    throw berthError('BERTH_PROBE_FAILED', { device, why: `there is no ${type} superblock` });
  return superblock;
}

async function firstPage(device: string, deadline: Deadline): Promise<Buffer> {
  try {
    return await readFirstPage(device, deadline);
  } catch (error) {
    if (isBerthError(error, 'BERTH_DEADLINE')) throw error;
    const why = error instanceof Error ? error.message : 'read failed';
    throw berthError('BERTH_PROBE_FAILED', { device, why }, error);
  }
}
