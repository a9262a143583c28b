/** Which mount flags a user may give: those that say how a filesystem is mounted, not what is mounted or where. */
import { berthError } from '../../model/errors.js';

/**
 * Flags of mount(8) that make it do something other than mount this device's filesystem, or use another device as well.
 */
const REFUSED = new Set([
  'bind',
  'rbind',
  'move',
  'remount',
  'loop',
  'offset',
  'sizelimit',
  'encryption',
  'shared',
  'private',
  'slave',
  'unbindable',
  'rshared',
  'rprivate',
  'rslave',
  'runbindable',
  'user',
  'users',
  'owner',
  'group',
  'helper',
  'uhelper',
  'fake',
  'verity',
  // External journals and logs: a path or number of another device of the node.
  'journal_dev',
  'journal_path',
  'logdev',
  'rtdev',
  'sb',
]);
/** Families of such flags: subdirectories, id maps and mkdir (X-mount.*), their comments (x-*), dm-verity. */
const REFUSED_PREFIX = /^(x-|verity\.)/i;
const FLAG = /^[\x20-\x7e]+$/;

/**
 * Throws BERTH_FIELD_INVALID naming `field` for flags that are refused or malformed. The flag itself is only named up
 * to its `=`: values may be sensitive (CSI 1.12).
 */
export function checkMountFlags(field: string, flags: readonly string[]): void {
  for (const flag of flags) {
    if (!FLAG.test(flag))
      throw berthError('BERTH_FIELD_INVALID', { field, why: 'a flag is empty or holds control characters' });
    // One entry may carry several, as fstab does; each is checked.
    for (const part of flag.split(',')) checkOne(field, part);
  }
}

function checkOne(field: string, part: string): void {
  const name = (part.split('=', 1)[0] ?? '').trim();
  if (REFUSED.has(name.toLowerCase()) || REFUSED_PREFIX.test(name)) {
    throw berthError('BERTH_FIELD_INVALID', {
      field,
      why: `the mount flag ${name} is not allowed, it changes what is mounted`,
    });
  }
}
