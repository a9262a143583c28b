/** A size that the filesystem of a volume can never have is refused while its image still is what it was. */
import { filesystems } from '../../host/filesystem/filesystems.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { RbdPort } from '../../rbd/port.js';
import type { FoundVolume } from '../image/find-volume.js';
import { parseProvenance } from '../image/provenance.js';

/** Every superblock that is looked at lies within it. */
const FIRST_PAGE = 4096;

/**
 * BERTH_GROWTH_IMPOSSIBLE. The superblock itself is asked, which knows it also of images that Berth did not format. It
 * may be mounted somewhere: what a filesystem can become is written there when it is made. What a raw volume holds is
 * its user's.
 */
export async function refuseImpossibleGrowth(
  { rbd }: { readonly rbd: Pick<RbdPort, 'readStart'> },
  { at, head, volume }: Pick<FoundVolume, 'at' | 'head' | 'volume'>,
  size: bigint,
  deadline: Deadline,
): Promise<void> {
  const { state } = parseProvenance(head, volume);
  if (state !== 'formatted' && state !== 'foreign') return;
  const page = Buffer.from(await rbd.readStart(at, FIRST_PAGE, deadline));
  for (const { type, parseSuperblock } of Object.values(filesystems)) {
    const limit = parseSuperblock(page)?.growsTo;
    if (limit !== undefined && limit < size) {
      throw berthError('BERTH_GROWTH_IMPOSSIBLE', { fs: type, what: volume, size, limit });
    }
  }
}
