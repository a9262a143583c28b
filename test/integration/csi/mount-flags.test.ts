/** Mount flags are read once, the same at every call, and are then in force or refused. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isDeviceReadOnly } from '../../../src/host/device/block-device.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { refused } from './calls.js';
import { ext4, MiB, ROX, RWO, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { df, get, put } from './files.js';
import { Site } from './site.js';

let site: Site;
let driver: Driver;
beforeAll(async () => {
  site = await Site.open('flags');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const LABEL = 'context="system_u:object_r:container_file_t:s0:c1,c2"';
const never: readonly (readonly string[])[] = [
  ...[
    ['loop'],
    ['bind'],
    ['uid=0'],
    [''],
    ['noatime,'],
    ['sb=131072'],
    ['journal_path=/dev/sda'],
    ['x-systemd.automount'],
  ],
  ...[['ro', 'rw'], ['ro,rw'], ['context="a,b'], ['data="ordered,sb=1"'], ['a'.repeat(5 * 1024)], ['c'.repeat(4050)]],
];

describe('flags that no volume can have', () => {
  it.each(never)('%.30s are refused by CreateVolume, Validate, attach, stage and publish', async (...flags) => {
    const volumeCapability = ext4(RWO, flags);
    const words = /flag/;
    await refused(driver.controller.CreateVolume(site.request(volumeCapability)), 'INVALID_ARGUMENT', words);
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await refused(volume.attach(driver, { volumeCapability }), 'INVALID_ARGUMENT', words);
    await volume.attach(driver);
    await refused(volume.stage(driver, { volumeCapability }), 'INVALID_ARGUMENT', words);
    await refused(volume.publish(driver, 'pod', { volumeCapability }), 'INVALID_ARGUMENT', words);
    const asked = { volumeId: volume.id, volumeCapabilities: [volumeCapability], secrets: volume.secrets };
    if (flags.join('').length > 4096) {
      await refused(driver.controller.ValidateVolumeCapabilities(asked), 'INVALID_ARGUMENT', words);
      return;
    }
    const { confirmed, message } = await driver.controller.ValidateVolumeCapabilities(asked);
    expect({ confirmed, message }).toEqual({ confirmed: null, message: expect.stringMatching(words) as string });
  });
});

describe('`ro` beside another flag in one string', () => {
  it('makes record, device and mount read-only, and what is larger by now does not grow', async () => {
    const made = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await made.bring(driver);
    await put(target, 'for readers');
    const { size } = await df(target);
    await made.leave(driver);
    await made.expand(SMALL_BYTES + 64 * MiB);
    const volume = site.adopt(made.id, ext4(RWO, ['ro,noatime']), driver);
    const readers = await volume.bring(driver);
    try {
      const { source, options, superOptions } = (await mountAt(readers))!;
      expect(options).toEqual(expect.arrayContaining(['ro', 'noatime']));
      expect(superOptions).toContain('ro');
      expect(await isDeviceReadOnly(source)).toBe(true);
      expect(await get(readers)).toBe('for readers');
      expect((await df(readers)).size).toBe(size);
      const stats = await driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: readers });
      expect(stats.volumeCondition).toMatchObject({ abnormal: false });
      const writer = volume.publish(driver, 'writer', { volumeCapability: ext4(RWO, ['noatime']) });
      await refused(writer, 'FAILED_PRECONDITION', /staged read-only, asked for writable/);
    } finally {
      await volume.leave(driver);
    }
  });
});

describe('flags of one string', () => {
  it('are each in force, and `rw` asks a reader for nothing', async () => {
    const capability = ext4(RWO, ['noatime,nosuid', 'nodev,commit=7']);
    const volume = await site.create(driver, capability, { sizeBytes: SMALL_BYTES });
    const { options, superOptions } = (await mountAt(await volume.bring(driver)))!;
    expect([...options, ...superOptions]).toEqual(
      expect.arrayContaining(['rw', 'noatime', 'nosuid', 'nodev', 'commit=7']),
    );
    await volume.leave(driver);
    const readers = site.adopt(volume.id, ext4(ROX, ['rw']), driver);
    expect((await mountAt(await readers.bring(driver)))!.options).toContain('ro');
    await readers.leave(driver);
  });
});

describe('an SELinux label, on a node where mount(8) sees no SELinux', () => {
  it('is refused and named, for it would be dropped without a word; nothing stays mounted', async () => {
    const volume = await site.create(driver, ext4(RWO, [LABEL]), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    const text = await refused(
      volume.stage(driver),
      'FAILED_PRECONDITION',
      /BERTH_MOUNT_FLAGS_LOST.* context .*selinux/,
    );
    expect(text).not.toContain('container_file_t');
    expect(await mountAt(await driver.stagingPath(volume.id))).toBeUndefined();
  });
});
