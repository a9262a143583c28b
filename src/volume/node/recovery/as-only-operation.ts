/**
 * Runs what reconciliation does to a volume as the volume's only operation, and only while the journal still says what
 * it was decided upon.
 */
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import type { NodeOperation, Operations } from '../../operation/operations.js';
import type { NodeSteps } from '../../operation/steps.js';

/**
 * `changed`: the volume is not any more as it was when the act was decided; nothing was done. `in use`, by a guest, and
 * `later`, for the cluster does not answer: to be tried again.
 */
export type RecoveryOutcome = 'done' | 'changed' | 'in use' | 'later';

export interface OperationParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
}

export interface UnchangedParts extends OperationParts {
  readonly journal: Pick<Journal, 'read'>;
}

export interface BackgroundAct {
  /** The volume's handle, or another key where it has none. */
  readonly key: string;
  /** For the log, and for answers to who comes meanwhile. */
  readonly act: string;
  /** Callers of the orchestrator `wait` for its end, or `come again`, beginning with what they prepare for a call. */
  readonly callers: 'wait' | 'come again';
  /** See {@link Operations.run}; default false. */
  readonly besideStraggler?: boolean;
}

export type RecoveryBody = (operation: NodeOperation<'reconcile'>, deadline: Deadline) => Promise<RecoveryOutcome>;

/** Run `body` as the volume's only operation. BERTH_BUSY where one runs already. */
export function asOnlyOperation(
  { operations }: OperationParts,
  { key, act, callers, besideStraggler = false }: BackgroundAct,
  deadline: Deadline,
  body: RecoveryBody,
): Promise<RecoveryOutcome> {
  // An op of its own. An unstage must not join it: this one may find that it has nothing to do, and the unstage would
  // be told "done".
  const fingerprint = `${act} ${performance.now()}`;
  const what = { op: 'reconcile', fingerprint, background: callers === 'wait', besideStraggler } as const;
  return operations.run(key, what, deadline, body);
}

/** As {@link asOnlyOperation}, and `changed` where the volume's entry is not this one any more. Callers wait. */
export function ifUnchanged(
  { operations, journal }: UnchangedParts,
  entry: JournalEntry,
  act: string,
  deadline: Deadline,
  body: RecoveryBody,
  { besideStraggler = false }: Pick<BackgroundAct, 'besideStraggler'> = {},
): Promise<RecoveryOutcome> {
  const { volume } = entry;
  return asOnlyOperation(
    { operations },
    { key: volume, act, callers: 'wait', besideStraggler },
    deadline,
    async (operation, deadline) => {
      operation.step('read journal');
      const now = await journal.read(volume);
      return JSON.stringify(now) === JSON.stringify(entry) ? body(operation, deadline) : 'changed';
    },
  );
}
