/** Mount flags of users: what is theirs to choose and what would mount something else. */
import { describe, expect, it } from 'vitest';
import {
  checkMountFlags,
  lostFlags,
  readMountFlags,
  saysReadOnly,
  splitOptions,
} from '../../../src/model/mount/mount-flags.js';

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
    ['uid=0'],
    ['x-systemd.automount'],
    ['sb=131072'],
    ['a,,b'],
    ['noatime,'],
    ['=1'],
    ['context="system_u:object_r:c:s0:c1,c2'],
    ['data="journal,sb=1"'],
    ['data=ordered\\,sb=1'],
    [`context=${'c'.repeat(4000)}`],
    ['ro,rw'],
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

describe('splitOptions', () => {
  it.each<[string, readonly string[]]>([
    ['ro,noatime', ['ro', 'noatime']],
    ['context="a:b:c1,c2",ro', ['context="a:b:c1,c2"', 'ro']],
    ['x=a\\,b,ro', ['x=a\\,b', 'ro']],
    ['', ['']],
    ['a,,b', ['a', '', 'b']],
  ])('parts %s where libmount does', (line, options) => {
    expect(splitOptions(line)).toEqual(options);
  });
});

describe('readMountFlags', () => {
  it('names each flag, and takes the marks off a quoted value', () => {
    expect(readMountFlags(['ro,commit=5', 'context="a:s0:c1,c2"'])).toEqual([
      { name: 'ro', value: undefined, text: 'ro' },
      { name: 'commit', value: '5', text: 'commit=5' },
      { name: 'context', value: 'a:s0:c1,c2', text: 'context="a:s0:c1,c2"' },
    ]);
  });

  it.each<[readonly string[], boolean]>([
    [['ro,noatime'], true],
    [['noatime', 'ro'], true],
    [['errors=remount-ro'], false],
    [['fscontext="x,ro,y"'], false],
  ])('%j is read-only: %s', (flags, is) => {
    expect(saysReadOnly(flags)).toBe(is);
  });
});

describe('lostFlags', () => {
  const lost = (asked: readonly string[], shown: string) => lostFlags(readMountFlags(asked), splitOptions(shown));

  it('finds a label that the kernel has with or without quotation marks', () => {
    const asked = ['context="system_u:object_r:c:s0:c1,c2"'];
    expect(lost(asked, 'rw,relatime,context="system_u:object_r:c:s0:c1,c2",seclabel')).toEqual([]);
    expect(lost(['context=system_u:object_r:c:s0'], 'rw,context=system_u:object_r:c:s0')).toEqual([]);
    expect(lost(['context="system_u:object_r:c:s0"'], 'rw,context=system_u:object_r:c:s0')).toEqual([]);
  });

  it('names a label that the kernel has not, or another one', () => {
    expect(lost(['noatime', 'context="a:s0:c1,c2"'], 'rw,noatime')).toEqual(['context']);
    expect(lost(['context="a:s0:c1,c2"'], 'rw,context="a:s0:c3,c4"')).toEqual(['context']);
  });

  it('names what keeps programs and devices from being used, unless it was taken back', () => {
    expect(lost(['nosuid,nodev', 'noexec'], 'rw,nosuid')).toEqual(['nodev', 'noexec']);
    expect(lost(['noexec', 'exec', 'nodev', 'defaults'], 'rw,relatime')).toEqual([]);
    expect(lost(['discard', 'lazytime', 'commit=7'], 'rw,relatime')).toEqual([]);
  });
});
