/**
 * Whether a volume that the journal knows is staged as asked already, and still this node's. What is not good for
 * anything any more is cut off, or unmounted, so that the stage can go on.
 */
import { refuseOtherGrant } from '../../../attachment/decide-take.js';
import { isMountedHere, type JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { NodeOperation } from '../../operation/operations.js';
import { unmountSick, type MendParts } from '../filesystem/mend-filesystem.js';
import { isMountedFrom } from '../filesystem/staging-mount.js';
import type { Mappers } from '../node-mappers.js';
import { cutOffAndUnmap, standingOf, unmountRevoked, type RevocationParts } from '../recovery/cut-off.js';
import { liveTargets } from '../target/published-targets.js';
import { grantShown, meaningOfEntry, type StageVolume } from '../stage-decisions.js';

export interface ConfirmStagedParts extends RevocationParts, MendParts {
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

/** `sick`: the stage goes on, and its filesystem is checked whatever the superblock says. */
export type Confirmation = 'staged' | 'unfinished' | 'sick';

/**
 * BERTH_PUBLISHED_OTHERWISE where the volume is staged in another way, BERTH_GRANT_OUTDATED where it is staged by
 * another attach than the call shows, BERTH_FILESYSTEM_STOPPED where a pod stands on a filesystem that the kernel gave
 * up.
 */
export async function confirmStaged(
  parts: ConfirmStagedParts,
  before: JournalEntry,
  request: StageVolume,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<Confirmation> {
  const { volume, stagingPath: path } = before;
  const mapping = await parts.mappers.mappingOf(before, deadline);
  const isMapped = mapping !== undefined;
  const isMounted = isMapped && isMountedHere(before) && (await isMountedFrom(path, mapping.device));
  const meaning = meaningOfEntry(before, { isMapped, isMounted }, request);
  if (meaning.is === 'staged otherwise')
    throw berthError('BERTH_PUBLISHED_OTHERWISE', { volume, path, what: meaning.difference });
  if (meaning.is === 'unfinished') {
    await unmountRevoked(parts, before, operation, deadline);
    return before.mending === true ? 'sick' : 'unfinished';
  }
  const { revoked, isReplaced } = await standingOf(parts, before, request.secrets, deadline);
  if (revoked === undefined) {
    // The attach is of the image that has the name now, and says nothing of the one that is mapped.
    if (isReplaced) return 'unfinished';
    refuseOtherGrant(parts.self.node, before, grantShown(request.right));
    if (!isMounted) return 'staged';
    const staged = { entry: before, mapping, live: await liveTargets(before) };
    return (await unmountSick(parts, staged, operation, deadline)) ? 'sick' : 'staged';
  }
  // Fenced while it was away, and granted anew: what is mapped can never be written to again.
  await cutOffAndUnmap(parts, before, operation, deadline);
  return 'unfinished';
}
