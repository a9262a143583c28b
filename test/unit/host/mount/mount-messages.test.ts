/** The messages of mount and umount that mean something to us, as util-linux prints them. */
import { describe, expect, it } from 'vitest';
import {
  kernelLines,
  saysBusy,
  saysDamaged,
  saysInUse,
  saysNotMounted,
  saysRefused,
  saysUnreadable,
  saysWriteProtected,
} from '../../../../src/host/mount/mount-messages.js';

describe('umount', () => {
  it.each([
    ['umount: /mnt/a: target is busy.'],
    ['umount: /mnt/a: target is busy\n        (In some cases useful info about processes is found by lsof(8))'],
    ['umount: /mnt/a: device is busy.'],
  ])('is understood as busy: %s', (text) => {
    expect(saysBusy(text)).toBe(true);
    expect(saysNotMounted(text)).toBe(false);
  });

  it.each([
    ['umount: /mnt/a: not mounted.'],
    ['umount: /mnt/a: no mount point specified.'],
    ['umount: /mnt/a: mountpoint not found'],
  ])('is understood as not mounted: %s', (text) => {
    expect(saysNotMounted(text)).toBe(true);
    expect(saysBusy(text)).toBe(false);
  });
});

describe('mount', () => {
  it('is understood as damaged', () => {
    expect(saysDamaged('mount: /mnt: mount(2) system call failed: Structure needs cleaning.')).toBe(true);
    expect(saysDamaged('mount: /mnt: wrong fs type, bad option, bad superblock on /dev/loop0')).toBe(false);
  });

  it('is understood as refused', () => {
    expect(saysRefused('mount: /mnt: wrong fs type, bad option, bad superblock on /dev/loop0')).toBe(true);
    expect(saysRefused('mount: /mnt: mount(2) system call failed: Structure needs cleaning.')).toBe(false);
  });

  it('is understood as refused by the new system calls too', () => {
    expect(saysRefused("mount: /mnt: fsconfig system call failed: ext4: Unknown parameter 'uid'.")).toBe(true);
  });

  it('is understood as damaged where a checksum is wrong', () => {
    expect(saysDamaged('mount: /mnt: mount(2) system call failed: Bad message.')).toBe(true);
  });

  it.each([
    ["mount: /mnt: can't read superblock on /dev/loop0.", saysUnreadable],
    ['mount: /mnt: cannot mount /dev/loop0 read-only.', saysWriteProtected],
    ['mount: /mnt: /dev/loop0 is write-protected but explicit read-write mode requested.', saysWriteProtected],
    ['mount: /mnt: /dev/rbd0 already mounted or mount point busy.', saysInUse],
  ])('is understood: %s', (text, says) => {
    expect(says(text)).toBe(true);
    expect([saysUnreadable, saysWriteProtected, saysInUse].filter((one) => one(text))).toHaveLength(1);
    expect(saysDamaged(text) || saysRefused(text)).toBe(false);
  });
});

describe('dmesg', () => {
  const log = [
    '[   12.000000] EXT4-fs (rbd0): mounted filesystem with ordered data mode',
    '[  100.250000] EXT4-fs (rbd0): bad geometry: block count 102400 exceeds size of device (102144 blocks)',
    '[  100.300000] EXT4-fs (rbd10): bad geometry: of another one',
    '[  100.400000] EXT4-fs error (device rbd0): ext4_find_entry:1455: inode #2: comm ls: reading directory',
    '[  100.450000] EXT4-fs (rbd0): unmounting filesystem 0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c03.',
    '[  100.500000] rbd: rbd0: capacity 419430400 features 0x3d',
    '[  100.600000] XFS (rbd0): Superblock has unknown read-only compatible features (0x10) enabled.',
  ].join('\n');

  it('is searched for what file systems said of one device of late', () => {
    expect(kernelLines(log, 'rbd0', 90)).toEqual([
      'bad geometry: block count 102400 exceeds size of device (102144 blocks)',
      'ext4_find_entry:1455: inode #2: comm ls: reading directory',
      'Superblock has unknown read-only compatible features (0x10) enabled.',
    ]);
    expect(kernelLines(log, 'rbd0', 200)).toEqual([]);
  });
});
