/** How a command that only looks is to show what it saw, checked. */
import { oneOf } from '../options/option-values.js';
import type { Given } from '../options/options.js';
import { usageError } from '../options/usage-error.js';
import { OUTPUTS, type ShowSettings } from './output/show.js';

/** Between two looks, in ms: each costs Ceph and the API what one by hand does. */
const EVERY_MS = 5_000;

/** BERTH_USAGE */
export function readView(command: string, values: Given, flags: ReadonlySet<string>): ShowSettings {
  const { output } = values;
  const help = `berth ${command} --help`;
  if (flags.has('json') && output !== undefined)
    throw usageError('--json', 'it is -o json: one of them is enough', help);
  return {
    output: flags.has('json') ? 'json' : output === undefined ? 'table' : oneOf(OUTPUTS)(output, '--output'),
    everyMs: flags.has('watch') ? EVERY_MS : undefined,
  };
}
