/** What blkid's answers mean. */
import { describe, expect, it } from 'vitest';
import { parseBlkid } from '../../../../src/host/filesystem/probe-device.js';

const UUID = '3fa85f64-5717-4562-b3fc-2c963f66afa6';

describe('parseBlkid', () => {
  it('knows a filesystem, with or without a uuid', () => {
    const ext4 = `DEVNAME=/dev/rbd0\nUUID=${UUID}\nVERSION=1.0\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n`;
    expect(parseBlkid(ext4)).toEqual({ kind: 'filesystem', type: 'ext4', uuid: UUID });
    expect(parseBlkid('TYPE=squashfs\nUSAGE=filesystem')).toEqual({ kind: 'filesystem', type: 'squashfs', uuid: '' });
  });

  it.each([
    ['TYPE=crypto_LUKS\nUSAGE=crypto', 'crypto_LUKS'],
    ['TYPE=LVM2_member\nUSAGE=raid', 'LVM2_member'],
    ['TYPE=swap\nUSAGE=other', 'swap'],
    ['TYPE=ext4', 'ext4'],
    ['PTUUID=1\nPTTYPE=gpt', 'a gpt partition table'],
  ])('calls %j something else', (stdout, what) => {
    expect(parseBlkid(stdout)).toEqual({ kind: 'other', what });
  });

  it('keeps a value with an equals sign whole', () => {
    expect(parseBlkid('UUID=a=b\nTYPE=xfs\nUSAGE=filesystem')).toMatchObject({ uuid: 'a=b' });
  });

  it('finds nothing in nothing', () => {
    expect(parseBlkid('')).toBeUndefined();
  });
});
