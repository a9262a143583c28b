/** A stage is announced in the journal before it takes, maps or writes anything. */
import { isMountedHere, type JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Logger } from '../../../observe/log.js';
import type { NodeOperation } from '../../operation/operations.js';
import { makeStagingDirectory } from '../filesystem/staging-mount.js';
import { writeIfPossible } from '../journal-faults.js';

export interface AnnounceParts {
  readonly journal: Pick<Journal, 'write' | 'remove'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** Durably, with the staging path made. BERTH_JOURNAL_WRITE_FAILED, errors of {@link makeStagingDirectory}. */
export async function announce(
  { journal }: Pick<AnnounceParts, 'journal'>,
  entry: JournalEntry,
  operation: NodeOperation<'stage'>,
): Promise<void> {
  // Where it cannot be, nothing is taken or mapped that would have to be given back.
  if (isMountedHere(entry)) await makeStagingDirectory(entry.stagingPath);
  operation.step('write intent');
  // Before the record is taken: a record that no journal knows of would keep the volume on this node for ever.
  await journal.write(entry);
}

/**
 * As {@link announce}, for a volume of which the journal knows nothing, while it is still asked whether the stage may
 * be (`asking`): the disk takes as long as the cluster. Where it may not, nothing was done that the entry announces,
 * and it goes again. The error of `asking` comes first, and that of the staging path second.
 */
export async function announceBeside(
  parts: AnnounceParts,
  entry: JournalEntry,
  asking: Promise<unknown>,
  operation: NodeOperation<'stage'>,
): Promise<void> {
  operation.step('write intent');
  const making = isMountedHere(entry) ? makeStagingDirectory(entry.stagingPath) : Promise.resolve();
  const [written, ...others] = await Promise.allSettled([parts.journal.write(entry), asking, making]);
  const refused = [...others, written].find((one) => one.status === 'rejected');
  if (refused === undefined) return;
  if (written.status === 'fulfilled') {
    operation.step('undo journal');
    await writeIfPossible(parts, entry.volume, () => parts.journal.remove(entry.volume));
  }
  throw refused.reason;
}
