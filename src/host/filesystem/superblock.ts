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

/**
 * The superblock of this very filesystem, where it is there; undefined says only that a probe has to tell what is, or
 * why it cannot be read. One read past the page cache, where blkid is a child with a confinement of its own. DEADLINE.
 */
export async function superblockOf(
  device: string,
  filesystem: Pick<Filesystem, 'type' | 'parseSuperblock'>,
  uuid: string,
  deadline: Deadline,
): Promise<Superblock | undefined> {
  try {
    const superblock = await readSuperblock(device, filesystem, deadline);
    return superblock.uuid === uuid.toLowerCase() ? superblock : undefined;
  } catch (error) {
    if (isBerthError(error, 'BERTH_PROBE_FAILED')) return undefined;
    throw error;
  }
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
