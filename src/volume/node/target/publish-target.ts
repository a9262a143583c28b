/**
 * One target of a volume on this node: announced in the journal, made by a sandbox (a bind mount of the host, a guard
 * and a record for Kata), and undone where that fails. Needs no cluster.
 */
import type { JournalEntry, JournalTarget } from '../../../journal/entry.js';
import { flagsDigest } from '../../../journal/flags-digest.js';
import type { Journal } from '../../../journal/journal.js';
import type { Capability } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { Credentials } from '../../image/find-volume.js';
import type { NodeOperation } from '../../operation/operations.js';
import { withUndo } from '../../operation/undo-stack.js';
import { writeIfPossible } from '../journal-faults.js';
import type { Targets } from './published-targets.js';

/** A publish that is known and allowed: what host and guest each go on from. */
export interface Publishing {
  readonly entry: JournalEntry;
  readonly mapping: Mapping;
  readonly live: Targets;
  readonly targetPath: string;
  /** As the orchestrator spelled it. */
  readonly askedPath: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  readonly secrets?: Credentials | undefined;
}

/** What a sandbox does at the target. */
export interface TargetActs {
  readonly make: () => Promise<void>;
  /** Takes away what `make` made; BERTH_TARGET_OCCUPIED for what is not ours. */
  readonly remove: (deadline: Deadline) => Promise<void>;
  /** Is this volume at the target now? */
  readonly isThere: () => Promise<boolean>;
}

export interface TargetParts {
  readonly journal: Pick<Journal, 'note' | 'write'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** As the journal keeps it. */
export const journalTarget = ({ readOnly, capability }: Publishing): JournalTarget => ({
  readOnly,
  mode: capability.mode,
  flagsDigest: flagsDigest(capability),
});

/** Errors of `make`; the journal keeps a target that could not be undone. BERTH_JOURNAL_WRITE_FAILED. */
export async function addTarget(
  parts: TargetParts,
  { entry, live, targetPath }: Publishing,
  target: JournalTarget,
  { make, remove, isThere }: TargetActs,
  operation: NodeOperation<'publish'>,
): Promise<void> {
  const { journal, log } = parts;
  const { volume } = entry;
  operation.step('write target');
  const announced = { ...entry, targets: { ...live, [targetPath]: target } };
  // A bind mount ends with the power; what a runtime was told may be in a file.
  await (target.sandbox === undefined ? journal.note(announced) : journal.write(announced));
  await withUndo({ what: 'publish', volume, operation, log }, async (undo) => {
    undo.push(async ({ step }) => {
      step('undo journal');
      if (await isThere()) return;
      await writeIfPossible(parts, volume, () => journal.note({ ...entry, targets: live }));
    });
    undo.push(async ({ step, deadline, cause }) => {
      step('undo target');
      if (isRefusal(cause)) return;
      try {
        await remove(deadline);
      } catch (error) {
        // Something that is not ours is at the target: it stays, and only what the journal announced is undone.
        log.warn({ volume, target: targetPath, err: error }, 'the target of a failed publish was left as it is');
      }
    });
    await make();
  });
}

/** Refused before anything was made: what lies there is somebody else's, and stays even where it is empty. */
const isRefusal = (error: unknown): boolean =>
  isBerthError(error, 'BERTH_TARGET_OCCUPIED', 'BERTH_FIELD_INVALID', 'BERTH_KATA_ONE_POD');
