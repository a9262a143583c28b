/** What a program may add to the driver that ships: that one adds nothing, the development one its own mapper. */
import type { Logger } from '../observe/log.js';
import type { Options } from '../options/options.js';
import type { Mapper } from '../rbd/mapping/mapper.js';
import type { ChainLimits } from '../volume/controller/flatten/chain-depth.js';
import type { EnteredStep } from '../volume/operation/operation-settings.js';

export interface Additions {
  /** Mappers beside krbd and rbd-nbd; `auto` takes one of these where neither of the two works. */
  readonly mappers: (options: Options, log: Logger) => readonly Mapper[];
  /** Who is told of every step of an operation before its act begins; undefined for nobody. */
  readonly stepObserver: (log: Logger) => ((at: EnteredStep) => void) | undefined;
  /** The least time of an operation, in ms, where it is to be another one than usual: for tests that outlast it. */
  readonly operationMs: number | undefined;
  /** Where chains of copies are to be shortened sooner than usual, so that a test need not make long ones. */
  readonly chainLimits: ChainLimits | undefined;
  /** Of virtual machines on this machine, told their arguments: may it be a guest of this driver's? */
  readonly isGuest: (argv: readonly string[]) => boolean;
}

export const NO_ADDITIONS: Additions = {
  mappers: () => [],
  stepObserver: () => undefined,
  operationMs: undefined,
  chainLimits: undefined,
  isGuest: () => true,
};
