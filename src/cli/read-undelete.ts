/** The arguments of `berth undelete`, checked. */
import { oneOf } from '../options/option-values.js';
import { usageError } from '../options/usage-error.js';
import type { Given } from '../options/options.js';
import { CLAIM_ACCESS_MODES } from './read-adopt.js';

export interface UndeleteArguments {
  readonly volume: string;
  readonly id: string | undefined;
  readonly as: string | undefined;
  readonly name: string | undefined;
  /** `namespace/name` of the claim that is to get it. */
  readonly claim: string | undefined;
  readonly accessMode: string;
}

const HELP = 'berth undelete --help';

/** Undefined where they are only to be listed. BERTH_USAGE */
export function readUndelete(given: Given): UndeleteArguments | undefined {
  const { volume, id, as, name, claim } = given;
  if (volume === undefined) {
    const needless = ['id', 'as', 'name', 'claim', 'access-mode'].find((flag) => given[flag] !== undefined);
    if (needless !== undefined) throw usageError('--volume', `it is missing: which volume is --${needless} for?`, HELP);
    return undefined;
  }
  const accessMode = oneOf(CLAIM_ACCESS_MODES)(given['access-mode'] ?? CLAIM_ACCESS_MODES[0], '--access-mode');
  if (!/^[^/]+[/][^/]+$/.test(claim ?? 'a/b')) throw usageError('--claim', `"${claim}" is not NAMESPACE/NAME`, HELP);
  return { volume, id, as, name, claim, accessMode };
}
