/**
 * Gives back the holder records that could not be given back at the unstage, soon after the cluster answers again. A
 * detach elsewhere waits for them.
 */
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { Operations } from '../../operation/operations.js';
import type { NodeSteps } from '../../operation/steps.js';
import { imageUseNow, type ImageUseParts } from '../handover/image-use.js';
import type { NodeHolderRecords } from '../node-holder-records.js';
import type { Mappers } from '../node-mappers.js';
import { ifUnchanged, type RecoveryOutcome, type UnchangedParts } from './as-only-operation.js';

/** What one record may take, in ms. */
const RETURN_MS = 15_000;

export interface ReturnRecordParts extends UnchangedParts, ImageUseParts {
  readonly journal: Pick<Journal, 'read' | 'remove'>;
  readonly mappers: Pick<Mappers, 'mappingOf'>;
  readonly holderRecords: Pick<NodeHolderRecords, 'giveBack'>;
}

/**
 * Give back the holder record of an entry with which nothing else is left to do, then forget the entry; `later` while
 * the cluster does not answer.
 * @param silent called where it is the cluster that does not answer
 */
export const returnRecord = (
  parts: ReturnRecordParts,
  entry: JournalEntry,
  deadline: Deadline,
  silent: () => void = () => undefined,
): Promise<RecoveryOutcome> =>
  ifUnchanged(parts, entry, 'give back', deadline, async (operation, deadline) => {
    const { journal, mappers, holderRecords } = parts;
    // Where the kernel shows no mapping, the mapper has also closed what a killed attempt left open.
    if (entry.state !== 'unstaging' || (await mappers.mappingOf(entry, deadline)) !== undefined) return 'changed';
    const use = entry.handedTo === undefined ? 'closed' : await imageUseNow(parts, entry, deadline);
    if (use !== 'closed') {
      if (use === 'open') return 'in use';
      silent();
      return 'later';
    }
    operation.step('give holder record back');
    if (!(await holderRecords.giveBack(entry, { silent }))) return 'later';
    operation.step('remove journal');
    await journal.remove(entry.volume);
    return 'done';
  });

export interface PendingRecordsParts extends ReturnRecordParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run' | 'isRunning'>;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
}

/**
 * Every entry of the journal with which nothing else is left to do, once; a cluster that does not answer is asked for
 * one of them only. What is still mapped or mounted is reconciliation's. Never fails.
 */
export async function returnPendingRecords(
  parts: PendingRecordsParts,
  entries: readonly JournalEntry[],
  stopped: () => boolean,
): Promise<void> {
  const { operations, log } = parts;
  const silent = new Set<string>();
  for (const entry of entries) {
    const { volume, fsid, state, holdsRecord } = entry;
    if (stopped()) return;
    if (state !== 'unstaging' || !holdsRecord || silent.has(fsid) || operations.isRunning(volume)) continue;
    try {
      if (await isMounted(entry)) continue;
      // A record that cannot be read keeps nobody else's waiting.
      const outcome = await returnRecord(parts, entry, Deadline.after(RETURN_MS), () => silent.add(fsid));
      if (outcome === 'done') log.info({ volume }, 'the holder record is given back');
    } catch (error) {
      if (!isBerthError(error, 'BERTH_BUSY'))
        log.debug({ volume, err: error }, 'the holder record could not be given back');
    }
  }
}

async function isMounted({ stagingPath, targets }: JournalEntry): Promise<boolean> {
  const mounts = await Promise.all([stagingPath, ...Object.keys(targets)].map((path) => mountAt(path)));
  return mounts.some((mount) => mount !== undefined);
}
