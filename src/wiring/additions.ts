/** What a program may add to the driver that ships: that one adds nothing, the development one its own mapper. */
import type { Logger } from '../observe/log.js';
import type { Options } from '../options/options.js';
import type { Mapper } from '../rbd/mapping/mapper.js';
import type { EnteredStep } from '../volume/operation/operations.js';

export interface Additions {
  /** Mappers beside krbd and rbd-nbd; `auto` takes one of these where neither of the two works. */
  readonly mappers: (options: Options, log: Logger) => readonly Mapper[];
  /** Who is told of every step of a node's operation before its act begins; undefined for nobody. */
  readonly stepObserver: (log: Logger) => ((at: EnteredStep) => void) | undefined;
  /** The least time of an operation, in ms, where it is to be another one than usual: for tests that outlast it. */
  readonly operationMs: number | undefined;
}

export const NO_ADDITIONS: Additions = { mappers: () => [], stepObserver: () => undefined, operationMs: undefined };
