/** Forget a journal entry of which this node's kernel has nothing, after a reboot or a stage that never came to map. */
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { readHandOverFile } from '../../../sandbox/hyperd/hand-over-file.js';
import type { Mappers } from '../node-mappers.js';
import { ifUnchanged, type RecoveryOutcome, type UnchangedParts } from './as-only-operation.js';
import { finishTakeDown, type FinishParts } from './take-down-entry.js';

export interface ForgetParts extends UnchangedParts, FinishParts {
  readonly journal: Pick<Journal, 'read' | 'write' | 'remove'>;
  readonly mappers: Pick<Mappers, 'mappingOf'>;
}

/** The empty targets that it made go too; the holder record as in takeDownEntry. */
export const forgetEntry = (parts: ForgetParts, entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome> =>
  ifUnchanged(parts, entry, 'forget', deadline, async (operation, deadline) => {
    operation.step('look');
    if ((await parts.mappers.mappingOf(entry, deadline)) !== undefined) return 'changed';
    for (const path of [entry.stagingPath, ...Object.keys(entry.targets)]) {
      if ((await mountAt(path)) !== undefined) return 'changed';
    }
    // The file may have named the image to a guest. Then the orchestrator has to unmount it.
    if (entry.handedTo !== undefined && (await readHandOverFile(entry.stagingPath)) !== undefined) return 'changed';
    return finishTakeDown(parts, entry, operation, deadline);
  });
