/**
 * What a damaged, full or read-only journal stops: a stage needs the journal, an unpublish or unstage goes by the
 * kernel without it.
 */
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { Logger } from '../../observe/log.js';
import type { Mappers } from './node-mappers.js';

/** What reading a volume's entry takes. */
interface JournalReading {
  readonly journal: Pick<Journal, 'read'>;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * The entry that a stage starts from; `damaged` (a power loss leaves files of zero bytes) counts as none while the
 * kernel has no mapping of the volume: then there is nothing that could be undone wrongly. It stays until the stage
 * writes its own, for it may be about a guest that has the image open. BERTH_JOURNAL_UNREADABLE where the kernel has
 * one, BERTH_JOURNAL_NEWER, BERTH_VOLUME_IN_USE where another runtime was given the image.
 */
export async function entryToStage(
  { journal, mappers, log }: JournalReading & { readonly mappers: Pick<Mappers, 'findUnrecorded'> },
  volume: string,
  deadline: Deadline,
): Promise<JournalEntry | 'damaged' | undefined> {
  try {
    const entry = await journal.read(volume);
    if (entry?.handedTo === undefined) return entry;
    // Its guest may have the image open. A mapping beside that would be a second kernel on one filesystem.
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `${entry.handedTo}, by ${entry.stagingPath}` });
  } catch (error) {
    const isLost = isBerthError(error, 'BERTH_JOURNAL_UNREADABLE');
    if (!isLost || (await mappers.findUnrecorded(volume, deadline)) !== undefined) throw error;
    log.warn({ volume, err: error }, 'a damaged journal entry counts as none: the kernel has nothing of the volume');
    return 'damaged';
  }
}

/** The entry that an unpublish or unstage goes by; `damaged` where only the kernel can tell. BERTH_JOURNAL_NEWER. */
export async function entryToUndo(
  { journal, log }: JournalReading,
  volume: string,
): Promise<JournalEntry | 'damaged' | undefined> {
  try {
    return await journal.read(volume);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_JOURNAL_UNREADABLE')) throw error;
    log.warn({ volume, err: error }, 'a damaged journal entry: the volume is taken away by the kernel alone');
    return 'damaged';
  }
}

/**
 * Run a write to the journal that only follows what was undone, or announces the undoing of what it has already: a disk
 * that is full or read-only must not keep a volume on the node. A stale entry does no harm, everybody asks the kernel
 * before acting on it.
 */
export async function writeIfPossible(
  { log }: { readonly log: Pick<Logger, 'warn'> },
  volume: string,
  note: () => Promise<void>,
): Promise<void> {
  try {
    await note();
  } catch (error) {
    if (!isBerthError(error, 'BERTH_JOURNAL_WRITE_FAILED')) throw error;
    log.warn({ volume, err: error }, 'the journal takes nothing: a volume leaves the node without its note');
  }
}
