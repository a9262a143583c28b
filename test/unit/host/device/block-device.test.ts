/** What is, and what is not, a block device. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  deviceNumber,
  deviceSizeBytes,
  formatDeviceNumber,
  waitForDevice,
} from '../../../../src/host/device/block-device.js';
import { Deadline } from '../../../../src/model/deadline.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-device-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('formatDeviceNumber', () => {
  it.each([
    [0x700n, '7:0'],
    [0xfc10n, '252:16'],
    // A minor over 255 and a major over 4095, as makedev(3) packs them.
    [0x100700n, '7:256'],
    [0x100000000000n, '4096:0'],
    [0xfff103ffn, '259:1048575'],
  ])('reads %s as %s', (rdev, text) => {
    expect(formatDeviceNumber(rdev)).toBe(text);
  });
});

describe('deviceNumber', () => {
  it('says that a regular file in place of a device is one', async () => {
    const file = path.join(directory, 'rbd0');
    await writeFile(file, 'dd was here');
    await expect(deviceNumber(file)).rejects.toThrow(/BERTH_DEVICE_INVALID: .*rbd0 .* it is a regular file/);
    await expect(deviceSizeBytes(file)).rejects.toMatchObject({ code: 'BERTH_DEVICE_INVALID' });
  });

  it.each([
    ['/dev/null', /not a block device/],
    ['/dev', /a directory/],
    ['/dev/berth-none', /does not exist/],
  ])('refuses %s', async (file, why) => {
    await expect(deviceNumber(file)).rejects.toThrow(why);
  });
});

describe('waitForDevice', () => {
  it('ends at its deadline when no device comes', async () => {
    const wait = waitForDevice(path.join(directory, 'rbd7'), '252:0', Deadline.after(60));
    await expect(wait).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });

  it('does not wait for a regular file to go away', async () => {
    const file = path.join(directory, 'rbd0');
    await writeFile(file, '');
    await expect(waitForDevice(file, '252:0', Deadline.after(10_000))).rejects.toMatchObject({
      code: 'BERTH_DEVICE_INVALID',
    });
  });
});
