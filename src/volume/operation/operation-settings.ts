/** What the operations of a process are told, and whom they tell. */

/** What may begin when its turn comes, by the operation's key and name; called at its end is what it resolves with. */
export type TakeTurn = (key: string, op: string) => Promise<() => void>;

/** A step that an operation enters. */
export interface EnteredStep {
  readonly key: string;
  readonly op: string;
  readonly step: string;
}

export interface OperationSettings {
  /** Told of every end that no caller waited for, so that the log has it. */
  readonly late?: (end: LateEnd) => void;
  /** Told of every step before its act begins; what it does happens there and then. */
  readonly entered?: (at: EnteredStep) => void;
  /** False where no operation runs children: telling whose they are costs a microsecond at every await (Node 20). */
  readonly children?: boolean;
  /** What an operation waits for before it begins, and calls at its end; undefined where each begins at once. */
  readonly turn?: TakeTurn;
  /** The least time an operation gets, in ms, without that of its work (exec.ts); default 60,000. */
  readonly budgetMs?: number;
}

/** An operation that ended when its last caller had given up. */
export interface LateEnd {
  readonly key: string;
  readonly op: string;
  readonly ms: number;
  /** Undefined where it succeeded. */
  readonly error: unknown;
}
