/**
 * Whether a volume that the journal knows is staged as asked already, and still this node's. What is not good for
 * anything any more is cut off, or unmounted, so that the stage can go on.
 */
import type { Exec } from '../../host/process/exec.js';
import { isMountedHere, type JournalEntry } from '../../journal/entry.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { NodeOperation } from '../operation/operations.js';
import { isMountedFrom } from './filesystem/staging-mount.js';
import type { Mappers } from './node-mappers.js';
import { cutOffAndUnmap, unmountRevoked, whyRevoked, type RevocationParts } from './recovery/cut-off.js';
import { meaningOfEntry, type StageVolume } from './stage-decisions.js';

export interface ConfirmStagedParts extends RevocationParts {
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly exec: Exec;
}

/** False where the stage has to go on; BERTH_PUBLISHED_OTHERWISE where the volume is staged in another way. */
export async function confirmStaged(
  parts: ConfirmStagedParts,
  before: JournalEntry,
  request: StageVolume,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<boolean> {
  const { volume, stagingPath: path } = before;
  const mapping = await parts.mappers.mappingOf(before, deadline);
  const isMapped = mapping !== undefined;
  const isMounted = isMapped && isMountedHere(before) && (await isMountedFrom(path, mapping.device));
  const meaning = meaningOfEntry(before, { isMapped, isMounted }, request);
  if (meaning.is === 'staged otherwise')
    throw berthError('BERTH_PUBLISHED_OTHERWISE', { volume, path, what: meaning.difference });
  if (meaning.is === 'unfinished') {
    await unmountRevoked(parts, before, operation, deadline);
    return false;
  }
  if ((await whyRevoked(parts, before, request.secrets, deadline)) === undefined) return true;
  // Fenced while it was away, and granted anew: what is mapped can never be written to again.
  await cutOffAndUnmap(parts, before, operation, deadline);
  return false;
}
