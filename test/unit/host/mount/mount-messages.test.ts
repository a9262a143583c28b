/** The messages of mount and umount that mean something to us, as util-linux prints them. */
import { describe, expect, it } from 'vitest';
import { saysBusy, saysDamaged, saysNotMounted, saysRefused } from '../../../../src/host/mount/mount-messages.js';

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
});
