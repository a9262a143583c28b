/** Take a volume down that nobody uses any more, by the kernel alone: unmounted, unmapped, and its targets removed. */
import type { Exec } from '../../../host/process/exec.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import { unbindAt } from '../../../sandbox/bind-mount.js';
import { removeFromSandbox } from '../target/remove-from-sandbox.js';
import type { KataRecords } from '../../../sandbox/kata/kata-records.js';
import type { NodeOperation } from '../../operation/operations.js';
import { takeDownRecorded, type TakeDownParts } from '../take-down-volume.js';
import { ifUnchanged, type RecoveryOutcome, type UnchangedParts } from './as-only-operation.js';

/** Needs no cluster. */
export interface FinishParts {
  readonly journal: Pick<Journal, 'write' | 'remove'>;
  readonly kataRecords: KataRecords;
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
}

export interface TakeDownEntryParts extends UnchangedParts, FinishParts, TakeDownParts {
  readonly journal: Pick<Journal, 'read' | 'note' | 'write' | 'remove'>;
}

/**
 * Unmount and unmap what the entry is about, and forget it; where the node has the holder record, the entry stays as
 * `unstaging` until that is given back (return-records.ts). BERTH_VOLUME_IN_USE, BERTH_UNMAP_BUSY.
 */
export const takeDownEntry = (
  parts: TakeDownEntryParts,
  entry: JournalEntry,
  deadline: Deadline,
): Promise<RecoveryOutcome> =>
  ifUnchanged(parts, entry, 'take down', deadline, async (operation, deadline) => {
    await takeDownRecorded(parts, entry, operation, deadline);
    return finishTakeDown(parts, entry, operation, deadline);
  });

/**
 * Nothing of the volume is mounted or mapped here any more: its targets and Kata's records go, and the entry, or what
 * of it the cluster has still to be told.
 */
export async function finishTakeDown(
  { journal, kataRecords, exec, log }: FinishParts,
  entry: JournalEntry,
  operation: NodeOperation<'reconcile'>,
  deadline: Deadline,
): Promise<RecoveryOutcome> {
  const { volume, targets, holdsRecord } = entry;
  for (const [path, target] of Object.entries(targets)) {
    const given = { volume, path, askedPaths: [target.asked ?? path], target };
    await removeFromSandbox(kataRecords, given, operation.step);
    await removeTarget({ exec, log }, path, operation, deadline);
  }
  operation.step('write outcome');
  if (holdsRecord) await journal.write({ ...entry, state: 'unstaging', targets: {} });
  else await journal.remove(volume);
  return 'done';
}

/** An empty directory or file that a publish made and nothing is mounted on. */
async function removeTarget(
  { exec, log }: Pick<FinishParts, 'exec' | 'log'>,
  target: string,
  operation: NodeOperation<'reconcile'>,
  deadline: Deadline,
): Promise<void> {
  try {
    await unbindAt(exec, target, () => Promise.resolve(false), operation.step, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_TARGET_OCCUPIED')) throw error;
    log.warn({ target, err: error }, 'the target of a volume that is not here any more is left as it is');
  }
}
