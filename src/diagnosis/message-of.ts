/** What an error says, for a finding. */
import { isBerthError } from '../model/errors.js';

/** Without the code in front: a finding has a name of its own. */
export function messageOf(error: unknown): string {
  if (isBerthError(error)) return error.message.replace(/^BERTH_\w+: /, '');
  return error instanceof Error ? error.message : 'failed';
}
