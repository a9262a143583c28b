/** What is wrong with a command line, in words about it and not about a file. */
import { berthError, type BerthError } from '../model/errors.js';

/**
 * Makes BERTH_USAGE; it does not throw.
 * @param where the option, variable or command that is wrong: `--mounter`
 * @param help the command line that says more
 */
export const usageError = (where: string, why: string, help = 'berth --help'): BerthError =>
  berthError('BERTH_USAGE', { where, why, help });
