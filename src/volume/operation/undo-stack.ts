/**
 * What an operation can undo of what it has done: pushed act by act, undone in reverse when the operation fails.
 *
 * A use case writes its intent to the journal, and then works inside of {@link withUndo}. Before each act it pushes the
 * undo of that act, because an act that fails may have been done in part. The first undo to be pushed, and so the last
 * to run, is that of the journal, with {@link UndoStack.pushUnlessStraggler}: the entry stays where anything before it
 * could not be undone. An undo names its step itself, and only where it finds something to undo:
 *
 *     await withUndo({ what: 'stage', volume, operation, log }, async (undo) => {
 *       undo.pushUnlessStraggler(async ({ step }) => {
 *         step('undo journal');
 *         await journal.remove(volume);
 *       });
 *       undo.push(async ({ step, deadline }) => {
 *         step('undo holder record');
 *         await holderRecords.release(found, deadline);
 *       });
 *       operation.step('take holder record');
 *       await holderRecords.take(found, entry, deadline);
 *     });
 */
import { Deadline } from '../../model/deadline.js';
import type { Logger } from '../../observe/log.js';
import type { Operation } from './operations.js';

/** Time that an undo gets when its operation's own has run out, in ms. */
export const UNDO_MS = 20_000;

/** What an undo is given. */
export interface Undoing<Step extends string> {
  readonly step: Operation<Step>['step'];
  /** One for all undos of the operation, {@link UNDO_MS} from the failure: its own deadline may be why it failed. */
  readonly deadline: Deadline;
  /** What the operation failed by. */
  readonly cause: unknown;
}

type Undo<Step extends string> = (undoing: Undoing<Step>) => Promise<void>;

export interface UndoParts<Step extends string> {
  /** For the log: `stage`, `hand-over`. */
  readonly what: string;
  readonly volume: string;
  readonly operation: Operation<Step>;
  readonly log: Pick<Logger, 'warn'>;
}

export class UndoStack<Step extends string> {
  readonly #parts: UndoParts<Step>;
  readonly #undos: Undo<Step>[] = [];

  constructor(parts: UndoParts<Step>) {
    this.#parts = parts;
  }

  /** To be called before the act that `undo` undoes. */
  push(undo: Undo<Step>): void {
    this.#undos.push(undo);
  }

  /**
   * As {@link push}, for what must not be undone while a child of the operation lives that could not be killed: what it
   * was asked to do may still come true, and the next try has to find it.
   */
  pushUnlessStraggler(undo: Undo<Step>): void {
    this.push(async (undoing) => {
      const straggler = this.#parts.operation.straggler();
      if (straggler !== undefined) throw new Error(`still alive: ${straggler}`);
      await undo(undoing);
    });
  }

  /** Everything that was pushed, the newest first, up to the first undo that fails. Never fails. */
  async undo(cause: unknown): Promise<void> {
    const { what, volume, operation, log } = this.#parts;
    const deadline = Deadline.after(UNDO_MS);
    try {
      for (const undo of this.#undos.reverse()) await undo({ step: operation.step, deadline, cause });
    } catch (error) {
      const left = `a failed ${what} could not be undone; the journal keeps it for the next try`;
      log.warn({ volume, err: error }, left);
    }
  }
}

/** The result of `body`; where it fails, what it pushed is undone, and its own error is thrown. */
export async function withUndo<Step extends string, T>(
  parts: UndoParts<Step>,
  body: (undo: UndoStack<Step>) => Promise<T>,
): Promise<T> {
  const stack = new UndoStack(parts);
  try {
    return await body(stack);
  } catch (error) {
    await stack.undo(error);
    throw error;
  }
}
