/** Which command of a person's a command line is, and what belongs to it; the rest are the driver's own options. */
import { berthError } from '../model/errors.js';
import type { Release } from './attachments.js';

export type Command =
  | { readonly kind: 'trace'; readonly name: string; readonly rest: readonly string[] }
  | { readonly kind: 'attachments'; readonly release: Release | undefined; readonly rest: readonly string[] };

/** Undefined where the command line is for somebody else. BERTH_CONFIG_INVALID where something is missing. */
export function commandOf(args: readonly string[]): Command | undefined {
  const [first, ...others] = args;
  if (first === 'trace') {
    const [name, ...rest] = others;
    if (name === undefined || name.startsWith('-'))
      throw wrong('trace', 'a claim, PersistentVolume or volume handle is missing');
    return { kind: 'trace', name, rest };
  }
  if (first !== 'attachments') return undefined;
  const rest = [...others];
  const name = take(rest, '--release');
  const finalizer = take(rest, '--finalizer');
  const volume = take(rest, '--volume');
  const at = rest.indexOf('--yes');
  if (at >= 0) rest.splice(at, 1);
  if (name === undefined && (finalizer !== undefined || volume !== undefined || at >= 0)) {
    throw wrong('release', 'which VolumeAttachment?');
  }
  return {
    kind: 'attachments',
    release: name === undefined ? undefined : { name, finalizer, volume, yes: at >= 0 },
    rest,
  };
}

/** Takes `--flag value` or `--flag=value` out of the arguments. */
function take(args: string[], flag: string): string | undefined {
  const at = args.findIndex((one) => one === flag || one.startsWith(`${flag}=`));
  if (at < 0) return undefined;
  const [found = ''] = args.splice(at, 1);
  const value = found === flag ? args.splice(at, 1)[0] : found.slice(flag.length + 1);
  if (value === undefined || value === '' || value.startsWith('-')) throw wrong(flag.slice(2), 'its value is missing');
  return value;
}

const wrong = (option: string, why: string): Error => berthError('BERTH_CONFIG_INVALID', { file: `--${option}`, why });
