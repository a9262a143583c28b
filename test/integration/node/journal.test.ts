/**
 * A journal that is damaged, foreign, from the future, full or read-only: a clear refusal or a safe way out, never a
 * wrong act.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { refused } from '../csi/calls.js';
import { block, ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, hasSector, put, putSector } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { SmallDisk } from './small-disk.js';

const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let driver: Driver;
let disk: SmallDisk;
let volume: Volume;

beforeAll(async () => {
  site = await Site.open('ledger');
  driver = site.driver('node-one');
  disk = await SmallDisk.at(path.join(driver.stateDir, 'journal'));
  await driver.start();
});
beforeEach(async () => {
  volume = await site.create(driver, ext4(), small);
});
afterEach(async () => {
  await disk.remount('rw');
  await disk.free();
  await site.endVolumes();
  for (const name of await entries())
    if (name !== 'filler') await rm(path.join(disk.directory, name), { recursive: true });
});
afterAll(async () => {
  await disk.unmount();
  await site.close();
});

const entries = async (): Promise<readonly string[]> => (await readdir(disk.directory)).sort();
const entryFile = async (): Promise<string> =>
  path.join(disk.directory, (await entries()).find((name) => name.endsWith('.json'))!);

/** What the kernel has of the volume: its device and every mount, the storage daemon's own file not counted. */
async function inKernel(): Promise<{ readonly devices: number; readonly mounts: number }> {
  const devices = (await findLoops()).filter(({ file }) => file.endsWith(`:${volume.id.split('/').at(-1)!}`));
  const mounts = (await readMounts()).filter(
    ({ target, fsType }) => target.startsWith(`${site.directory}/${driver.name}/`) && !fsType.startsWith('fuse'),
  );
  return { devices: devices.length, mounts: mounts.length };
}

const NOTHING = { devices: 0, mounts: 0 };
const holder = async (): Promise<string | undefined> => (await site.metadata(volume.image))['berth.dev/holder'];

const truncated = async (file: string): Promise<void> => writeFile(file, (await readFile(file)).subarray(0, 200));
const changed = (from: RegExp, to: string) => async (file: string) =>
  writeFile(file, (await readFile(file, 'utf8')).replace(from, to));

const DAMAGES: readonly [string, (file: string) => Promise<void>][] = [
  ['truncated', truncated],
  ['empty, as a power loss leaves it', (file) => writeFile(file, '')],
  ['full of zeroes', (file) => writeFile(file, Buffer.alloc(600))],
  ['changed in the cluster’s id', changed(/"fsid": ".{8}/, '"fsid": "00000000')],
  ['about another volume', changed(/"volume": "[^"]*"/, '"volume": "dev/other/image"')],
  [
    'not readable at all',
    async (file) => {
      await rm(file);
      await mkdir(file);
    },
  ],
];

describe.each(DAMAGES)('NodeStage, NodePublish and their likes, a journal entry that is %s', (_what, damage) => {
  it('stops what it is needed for, and leaves the kernel to go by for the way out', async () => {
    const staging = await volume.stage(driver);
    await put(await volume.publish(driver), 'kept');
    const before = await inKernel();
    await damage(await entryFile());
    for (const call of [() => volume.stage(driver), () => volume.publish(driver, 'second')]) {
      await refused(call(), 'FAILED_PRECONDITION', /JOURNAL_UNREADABLE/);
    }
    const volumePath = await driver.targetPath(volume.id, 'pod');
    const stats = driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath });
    await refused(stats, 'FAILED_PRECONDITION', /JOURNAL_UNREADABLE/);
    // The target is only in the journal, but the kernel shows that somebody stands on the filesystem.
    await refused(volume.unstage(driver), 'FAILED_PRECONDITION', /VOLUME_IN_USE.*pod/);
    expect(await inKernel()).toEqual(before);
    await volume.unpublish(driver);
    await volume.unstage(driver);
    expect(await inKernel()).toEqual(NOTHING);
    expect((await readMounts()).filter(({ target }) => target === staging)).toEqual([]);
    expect(await holder()).toBeUndefined();
    expect(await entries()).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.damaged$/)]);
    await volume.stage(driver);
    expect(await get(await volume.publish(driver))).toBe('kept');
  });

  it('counts as none where the kernel has nothing of the volume', async () => {
    await volume.stage(driver);
    await put(await volume.publish(driver), 'kept');
    await volume.unpublish(driver);
    const file = await entryFile();
    const copy = await readFile(file);
    await volume.unstage(driver);
    await writeFile(file, copy);
    await damage(file);
    // It may be about a guest that has the image open: whoever asks for it must find that it is unreadable.
    const damaged = await readFile(file).catch(() => undefined);
    await site.rbd('lock', 'add', volume.image, 'somebody');
    await refused(volume.stage(driver), 'FAILED_PRECONDITION', /IMAGE_LOCKED/);
    expect(await readFile(file).catch(() => undefined)).toEqual(damaged);
    const [lock] = JSON.parse(await site.rbd('lock', 'ls', volume.image, '--format', 'json')) as { locker: string }[];
    await site.rbd('lock', 'rm', volume.image, 'somebody', lock!.locker);
    if ((await readdir(disk.directory, { withFileTypes: true })).some((one) => one.isDirectory())) {
      // Nothing can be renamed over a directory: even then the volume is refused and not half brought.
      await refused(volume.stage(driver), 'INTERNAL', /JOURNAL_WRITE_FAILED/);
      expect(await inKernel()).toEqual(NOTHING);
      await volume.unstage(driver);
    }
    await volume.stage(driver);
    expect(await get(await volume.publish(driver))).toBe('kept');
  });
});

describe('every node RPC, a journal entry of a newer Berth', () => {
  it('is refused by every call, with both versions, and nothing is touched', async () => {
    await volume.stage(driver);
    const target = await volume.publish(driver);
    await put(target, 'kept');
    const file = await entryFile();
    const original = await readFile(file, 'utf8');
    const newer = JSON.stringify({ ...(JSON.parse(original) as object), version: 7, soul: 'unknown' });
    await writeFile(file, newer);
    const before = await inKernel();
    const calls = [
      () => volume.stage(driver),
      () => volume.publish(driver, 'second'),
      () => volume.unpublish(driver),
      () => volume.unstage(driver),
      () => driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: target }),
    ];
    for (const call of calls) {
      const text = await refused(call(), 'FAILED_PRECONDITION', /JOURNAL_NEWER/);
      expect(text).toMatch(/version 7.*version 1/);
    }
    expect(await inKernel()).toEqual(before);
    expect(await readFile(file, 'utf8')).toBe(newer);
    expect(await get(target)).toBe('kept');
    await writeFile(file, original);
  });
});

describe('journal, a draft that a crash left', () => {
  it('is no entry, and gone after the next start', async () => {
    await volume.stage(driver);
    const file = await entryFile();
    await driver.stop('SIGKILL');
    await writeFile(`${file}.tmp`, (await readFile(file, 'utf8')).slice(0, 100));
    await writeFile(path.join(disk.directory, `${'0'.repeat(32)}.json.tmp`), '');
    await driver.start();
    expect(await entries()).toEqual([path.basename(file)]);
    await volume.publish(driver);
  });
});

describe.each(['full', 'read-only'] as const)('NodeStage and NodeUnstage, a journal on a disk that is %s', (how) => {
  const spoil = (): Promise<void> => (how === 'full' ? disk.fill() : disk.remount('ro'));
  const mend = (): Promise<void> => (how === 'full' ? disk.free() : disk.remount('rw'));
  const why = how === 'full' ? /JOURNAL_WRITE_FAILED.*ENOSPC/ : /JOURNAL_WRITE_FAILED.*EROFS/;

  it('lets no volume come: nothing is mapped, taken or made', async () => {
    await spoil();
    await refused(volume.stage(driver), 'INTERNAL', why);
    expect(await inKernel()).toEqual(NOTHING);
    expect(await holder()).toBeUndefined();
    await mend();
    await volume.stage(driver);
    await spoil();
    await refused(volume.publish(driver), 'INTERNAL', why);
    expect(await inKernel()).toEqual({ devices: 1, mounts: 1 });
    expect(await readdir(path.dirname(await driver.targetPath(volume.id, 'pod')))).toEqual([]);
  });

  it('lets every volume leave', async () => {
    await volume.stage(driver);
    await put(await volume.publish(driver), 'kept');
    await spoil();
    await volume.stage(driver);
    await volume.publish(driver);
    await volume.unpublish(driver);
    expect(await inKernel()).toEqual({ devices: 1, mounts: 1 });
    await volume.unstage(driver);
    expect(await inKernel()).toEqual(NOTHING);
    expect(await holder()).toBeUndefined();
    // Again, and from a stale entry where the disk is read-only: still nothing there is a success.
    await volume.unstage(driver);
    await mend();
    await volume.stage(driver);
    expect(await get(await volume.publish(driver))).toBe('kept');
  });

  it('lets a plugin start that takes a raw volume away', async () => {
    const raw = await site.create(driver, block(), small);
    const device = await raw.bring(driver);
    await putSector(device, 0, 'kept');
    await spoil();
    await driver.stop('SIGKILL');
    await driver.start();
    expect(await hasSector(device, 0, 'kept')).toBe(true);
    await raw.unpublish(driver);
    await raw.unstage(driver);
    expect((await findLoops()).filter(({ file }) => file.endsWith(`:${raw.id.split('/').at(-1)!}`))).toEqual([]);
  });
});

describe('NodeStage and NodeUnstage, a disk that fills up in the middle', () => {
  it('of a stage ends it with nothing mapped, no record and no entry', async () => {
    await disk.fill(1);
    await refused(volume.stage(driver), 'INTERNAL', /JOURNAL_WRITE_FAILED.*ENOSPC/);
    expect(await inKernel()).toEqual(NOTHING);
    expect(await holder()).toBeUndefined();
    expect(await entries()).toEqual(['filler']);
    await disk.free();
    await put(await volume.bring(driver), 'fine');
  });

  it('of a volume’s life stops neither its retry nor its end', async () => {
    await disk.fill(2);
    await volume.stage(driver);
    await rename(path.join(disk.directory, 'filler'), path.join(disk.directory, 'filler.2'));
    await disk.fill();
    await volume.stage(driver);
    await refused(volume.publish(driver), 'INTERNAL', /ENOSPC/);
    await volume.unstage(driver);
    expect(await inKernel()).toEqual(NOTHING);
    await rm(path.join(disk.directory, 'filler.2'));
  });
});
