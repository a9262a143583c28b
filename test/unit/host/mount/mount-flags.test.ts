/** Mount flags of users: what is theirs to choose and what would mount something else. */
import { describe, expect, it } from 'vitest';
import { checkMountFlags } from '../../../../src/host/mount/mount-flags.js';

const check = (...flags: string[]) => checkMountFlags('mount_flags', flags);

describe('checkMountFlags', () => {
  it.each([['noatime'], ['discard'], ['ro'], ['data=ordered'], ['context="system_u:object_r:c:s0:c1,c2"'], ['nouuid']])(
    'accepts %s',
    (flag) => {
      expect(() => check(flag)).not.toThrow();
    },
  );

  it.each([
    ['bind'],
    ['rbind'],
    ['move'],
    ['remount'],
    ['loop'],
    ['loop=/dev/loop1'],
    ['offset=4096'],
    ['BIND'],
    ['noatime,bind'],
    ['ro, bind'],
    ['X-mount.subdir=/x'],
    ['x-mount.mkdir'],
    ['verity.hashdevice=/dev/sda'],
    ['journal_path=/dev/sda'],
    ['logdev=/dev/sda'],
    ['rshared'],
  ])('refuses %s', (flag) => {
    expect(() => check('noatime', flag)).toThrow(/BERTH_FIELD_INVALID: mount_flags/);
  });

  it.each([[''], ['a\nb'], ['a\0b'], ['a\tb']])('refuses the malformed %j', (flag) => {
    expect(() => check(flag)).toThrow(/BERTH_FIELD_INVALID/);
  });

  it('does not repeat the value of a flag', () => {
    expect(() => check('helper=confidential')).toThrow(/^(?!.*confidential).*helper/);
  });
});
