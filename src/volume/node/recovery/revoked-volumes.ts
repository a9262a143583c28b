/**
 * Takes down volumes that were given to another node while this one was away. They are cut off, unmounted and unmapped,
 * and not one byte of theirs is written any more.
 */
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import type { Operations } from '../../operation/operations.js';
import type { NodeSteps } from '../../operation/steps.js';
import { ifUnchanged, type RecoveryBody } from './as-only-operation.js';
import { cutOffAndUnmap, whyRevoked, type CutOffParts, type RevocationParts } from './cut-off.js';
import { finishTakeDown, type FinishParts } from './take-down-entry.js';

/** How long the reading of one record, and taking down one volume, may take, in ms. */
const READ_MS = 5_000;
const TAKE_DOWN_MS = 60_000;

/** Of Ceph it reads the holder records and no more. */
export interface RevokedParts extends RevocationParts, CutOffParts, FinishParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run' | 'isRunning'>;
  readonly journal: Pick<Journal, 'all' | 'read' | 'write' | 'remove'>;
  readonly mappers: CutOffParts['mappers'];
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

export interface RevokedRound {
  readonly done: number;
  readonly reports: readonly {
    readonly subject: string;
    readonly kind: 'ours';
    readonly what: string;
    readonly todo: string;
  }[];
}

/**
 * Compares every staged volume of the journal with its record in
 * the cluster. A cluster that does not answer proves nothing.
 */
export async function takeDownRevoked(parts: RevokedParts, stopped: () => boolean): Promise<RevokedRound> {
  const { journal, operations } = parts;
  const { entries } = await journal.all();
  const reports: RevokedRound['reports'][number][] = [];
  const silent = new Set<string>();
  let done = 0;
  for (const entry of entries) {
    if (stopped()) break;
    const { volume, fsid, state, handedTo } = entry;
    if (state !== 'staged' || handedTo !== undefined || silent.has(fsid) || operations.isRunning(volume)) continue;
    try {
      const why = await whyRevoked(parts, entry, undefined, Deadline.after(READ_MS), () => silent.add(fsid));
      if (why !== undefined && (await takeDownIfRevoked(parts, entry, why))) done += 1;
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'failed';
      const what = `it was lost to another node and could not be taken down: ${reason}`;
      reports.push({ subject: volume, kind: 'ours', what, todo: 'end the pods that use it; what they write is lost' });
    }
  }
  return { done, reports };
}

/** True when it is gone from this node. Errors of the mapper and of unmounting. */
async function takeDownIfRevoked(parts: RevokedParts, entry: JournalEntry, why: string): Promise<boolean> {
  const { volume, mapping } = entry;
  const deadline = Deadline.after(TAKE_DOWN_MS);
  const body: RecoveryBody = async (operation, deadline) => {
    if ((await whyRevoked(parts, entry, undefined, deadline)) === undefined) return 'changed';
    parts.log.warn({ volume, mapping, why }, 'this node lost the volume; it is cut off and taken down');
    await cutOffAndUnmap(parts, entry, operation, deadline);
    return finishTakeDown(parts, entry, operation, deadline);
  };
  // What a child of an earlier operation waits for in the kernel may be the very device that is cut off here.
  const outcome = await ifUnchanged(parts, entry, 'let go', deadline, body, { besideStraggler: true });
  return outcome === 'done';
}
