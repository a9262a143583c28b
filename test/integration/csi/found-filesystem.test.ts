/**
 * Filesystems as they are found on an image: a journal or log that was not applied, a device that is too small, a
 * superblock that something has written over. Each is told by its own name.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refused } from './calls.js';
import { ext4, MiB, mount, ROX, RWO, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { contentOf, importFilesystem, writeInto } from './images.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
beforeAll(async () => {
  site = await Site.open('found');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

/** A volume whose last writer was cut off: a synced file stands in its journal or log alone. */
async function dirty(capability: VolumeCapability, sizeBytes: number): Promise<Volume> {
  const volume = await site.create(driver, capability, { sizeBytes });
  const target = await volume.bring(driver);
  await put(target, 'in the journal');
  await run('xfs_io', ['-x', '-c', 'shutdown -f', target], { deadline: Deadline.after(30_000) });
  await volume.leave(driver);
  return volume;
}

type Kind = readonly [string, (mode?: typeof RWO | typeof ROX, flags?: readonly string[]) => VolumeCapability, number];
const kinds: readonly Kind[] = [
  ['ext4', ext4, SMALL_BYTES],
  ['xfs', xfs, XFS_BYTES],
];

describe('a journal or log that was not applied', () => {
  it.each(kinds)('of %s: a reader is told so and nothing is written; a writer applies it', async (_, of, sizeBytes) => {
    const volume = await dirty(of(), sizeBytes);
    const before = await contentOf(site, volume.image);
    for (const capability of [of(ROX), of(RWO, ['ro'])]) {
      const readers = site.adopt(volume.id, capability, driver);
      await readers.attach(driver);
      await refused(readers.stage(driver), 'FAILED_PRECONDITION', /BERTH_REPLAY_NEEDED.*ReadWriteOnce/);
      await readers.leave(driver);
    }
    expect(await contentOf(site, volume.image)).toBe(before);
    expect(await get(await volume.bring(driver))).toBe('in the journal');
    await volume.leave(driver);
    const readers = site.adopt(volume.id, of(ROX), driver);
    expect(await get(await readers.bring(driver))).toBe('in the journal');
    await readers.leave(driver);
  });

  it('of ext4, asked for with noload: mounted as the user himself wants it', async () => {
    const volume = await dirty(ext4(), SMALL_BYTES);
    const readers = site.adopt(volume.id, ext4(ROX, ['noload']), driver);
    await readers.bring(driver);
    await readers.leave(driver);
  });
});

describe('an image that was made smaller than its filesystem', () => {
  it.each(kinds)('of %s, with flags: the size is named and not the flags', async (_, of, sizeBytes) => {
    const volume = await site.create(driver, of(RWO, ['discard']), { sizeBytes });
    await volume.bring(driver);
    await volume.leave(driver);
    await site.rbd('resize', '--no-progress', '--allow-shrink', '--size', `${sizeBytes - 8 * MiB}B`, volume.image);
    await volume.attach(driver);
    const words = /BERTH_MOUNT_REFUSED.*bytes, fewer than the \d+ of its filesystem/;
    expect(await refused(volume.stage(driver), 'FAILED_PRECONDITION', words)).not.toMatch(/discard/);
  });
});

describe('flags that the kernel does not know', () => {
  it('are named where the mount works without them, and nothing stays mounted', async () => {
    const volume = await site.create(driver, ext4(RWO, ['no-such-option=secret']), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    const text = await refused(volume.stage(driver), 'INVALID_ARGUMENT', /refuses ext4 with no-such-option;/);
    expect(text).not.toContain('secret');
    await volume.stage(driver, { volumeCapability: ext4() });
  });

  it('are not blamed for features that the kernel lacks', async () => {
    const volume = await site.create(driver, ext4(RWO, ['discard']), { sizeBytes: SMALL_BYTES });
    await volume.bring(driver);
    await volume.leave(driver);
    // An incompatible feature of nobody (s_feature_incompat), and no checksums (s_feature_ro_compat).
    await writeInto(site, volume.image, 1024 + 0x60, Buffer.from([0xc2, 0x02, 0x00, 0x80, 0x6b, 0x00, 0x00, 0x00]));
    await volume.attach(driver);
    const text = await refused(volume.stage(driver), ['FAILED_PRECONDITION', 'INTERNAL']);
    expect(text).not.toMatch(/discard/);
  });
});

describe('a PersistentVolume without fsType', () => {
  it.each(kinds)('takes the %s that is on its image, at every call', async (type, of, sizeBytes) => {
    const image = `${site.pool}/${site.namespace}/by-hand-${type}`;
    await importFilesystem(site, image, sizeBytes, type === 'xfs' ? 'xfs' : 'ext4');
    const volume = site.adopt(`dev/${image}`, mount(''), driver);
    try {
      const target = await volume.bring(driver);
      expect((await mountAt(target))!.fsType).toBe(type);
      await put(target, 'on what was there', 'new');
      // Again, with and without its name, as a kubelet that was restarted asks.
      await volume.stage(driver);
      await volume.stage(driver, { volumeCapability: of() });
      expect(await volume.publish(driver)).toBe(target);
      await driver.stop('SIGKILL');
      await driver.start();
      // Grown as what it is. A mounted ext4 grows only with a capability that this machine may lack.
      const larger = sizeBytes + (type === 'xfs' ? 32 * MiB : 0);
      if (larger > sizeBytes) await site.rbd('resize', '--no-progress', '--size', `${larger}B`, image);
      expect(await volume.expandOn(driver, larger, target)).toBe(String(larger));
      await volume.leave(driver);
      const other = type === 'xfs' ? ext4() : xfs();
      await volume.attach(driver);
      await refused(volume.stage(driver, { volumeCapability: other }), 'FAILED_PRECONDITION', /FILESYSTEM_MISMATCH/);
    } finally {
      await volume.leave(driver);
      await site.rbd('rm', '--no-progress', image);
    }
  });

  it('takes ext4 for a volume that Berth made and nobody wrote to', async () => {
    const volume = await site.create(driver, mount(''), { sizeBytes: SMALL_BYTES });
    expect((await mountAt(await volume.bring(driver)))!.fsType).toBe('ext4');
  });
});
