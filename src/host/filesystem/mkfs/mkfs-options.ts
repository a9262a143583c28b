/**
 * Which options of mkfs a user may give: how the filesystem is laid out, not where, how large, or over what it is made.
 */
import type { FilesystemType } from '../../../model/capability.js';
import { berthError } from '../../../model/errors.js';
import type { MkfsOption } from '../filesystem.js';
import { filesystems } from '../filesystems.js';

/** Sub-options that name another device, file or size, or contradict what Berth sets. */
const REFUSED_SUBOPTION = /^(device|logdev|rtdev|name|file|offset|uuid|root_owner|test_fs)\b/;

/**
 * Read `-E stride=16 -b 4096`, split at spaces, into pairs;
 * BERTH_FIELD_INVALID naming `field`. Values may be attached (`-b4096`).
 */
export function parseMkfsOptions(
  field: string,
  type: FilesystemType,
  tokens: readonly string[],
): readonly MkfsOption[] {
  const options: MkfsOption[] = [];
  const queue = [...tokens];
  for (let token = queue.shift(); token !== undefined; token = queue.shift()) {
    const flag = token.slice(0, 2);
    if (!/^-[A-Za-z]$/.test(flag) || !filesystems[type].mkfsFlags.includes(flag.slice(1))) {
      throw berthError('BERTH_FIELD_INVALID', { field, why: `${token} is not allowed for mkfs.${type}` });
    }
    options.push({ flag, value: checkValue(field, flag, token.length > 2 ? token.slice(2) : queue.shift()) });
  }
  return options;
}

function checkValue(field: string, flag: string, value: string | undefined): string {
  if (value === undefined || value === '' || value.startsWith('-')) {
    throw berthError('BERTH_FIELD_INVALID', { field, why: `${flag} needs a value` });
  }
  if (!/^[\x21-\x7e]+$/.test(value))
    throw berthError('BERTH_FIELD_INVALID', { field, why: `${flag} has a malformed value` });
  if (flag !== '-L' && value.split(',').some((part) => REFUSED_SUBOPTION.test(part))) {
    throw berthError('BERTH_FIELD_INVALID', { field, why: `${flag} ${value} is not allowed` });
  }
  // The device's size is the volume's: another one would be grown to it, or not fit.
  if (flag === '-d' && value.split(',').some((part) => /^size\b/.test(part)))
    throw berthError('BERTH_FIELD_INVALID', { field, why: `${flag} ${value} is not allowed` });
  return value;
}
