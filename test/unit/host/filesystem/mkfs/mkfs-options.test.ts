/** Options of mkfs that users may give, and those that are Berth's or nobody's. */
import { describe, expect, it } from 'vitest';
import { parseMkfsOptions } from '../../../../../src/host/filesystem/mkfs/mkfs-options.js';

const parse = (type: 'ext4' | 'xfs', text: string) => parseMkfsOptions('mkfsOptions', type, text.split(' '));

describe('parseMkfsOptions', () => {
  it('reads values that stand apart and values that are attached', () => {
    expect(parse('ext4', '-E stride=16,stripe_width=32 -b4096 -L my-data')).toEqual([
      { flag: '-E', value: 'stride=16,stripe_width=32' },
      { flag: '-b', value: '4096' },
      { flag: '-L', value: 'my-data' },
    ]);
    expect(parse('xfs', '-m reflink=0 -i size=1024')).toHaveLength(2);
  });

  it('takes no options for none', () => {
    expect(parseMkfsOptions('mkfsOptions', 'ext4', [])).toEqual([]);
  });

  it.each([
    ['ext4', '-F'],
    ['ext4', '-FF'],
    ['ext4', '-n'],
    ['ext4', '-S'],
    ['ext4', '-U random'],
    ['ext4', '-t ext2'],
    ['ext4', '-J device=/dev/sda'],
    ['ext4', '-E offset=4096'],
    ['ext4', '-E stride=1,offset=4096'],
    ['ext4', '/dev/sda'],
    ['ext4', '--help'],
    ['ext4', '-b'],
    ['ext4', '-b -F'],
    ['ext4', '-b '],
    ['xfs', '-f'],
    ['xfs', '-N'],
    ['xfs', '-K'],
    ['xfs', '-p /etc/passwd'],
    ['xfs', '-d name=/dev/sda'],
    ['xfs', '-d file,name=/x'],
    ['xfs', '-l logdev=/dev/sda'],
    ['xfs', '-r rtdev=/dev/sda'],
    ['xfs', '-m uuid=00000000-0000-0000-0000-000000000000'],
    ['xfs', '-m reflink=0\n'],
  ] as const)('refuses for %s: %j', (type, text) => {
    expect(() => parse(type, text)).toThrow(/BERTH_FIELD_INVALID: mkfsOptions/);
  });
});
