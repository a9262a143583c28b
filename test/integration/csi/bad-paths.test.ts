/**
 * Paths that would lead elsewhere, or to something of somebody else: refused, and whatever lies there is left as it
 * was.
 */
import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refused } from './calls.js';
import { block, ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
let volume: Volume;
let raw: Volume;

beforeAll(async () => {
  site = await Site.open('path');
  driver = await site.driver('node-one').start();
  volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  raw = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
  for (const one of [volume, raw]) {
    await one.attach(driver);
    await one.stage(driver);
  }
});
afterAll(() => site.close());

let serial = 0;
/** A directory of its own for one attempt. */
async function fresh(): Promise<string> {
  serial += 1;
  const directory = path.join(site.directory, `spot-${serial}`);
  await mkdir(directory);
  return directory;
}

const publish = (targetPath: string, of = volume) => of.publish(driver, 'pod', { targetPath });
const unpublish = (targetPath: string, of = volume) => driver.node.NodeUnpublishVolume({ volumeId: of.id, targetPath });

describe('NodeStage, NodePublish and their likes, malformed paths', () => {
  const malformed = (real: string) => [
    'relative/path',
    './x',
    `${real}/../x`,
    `${real}/./x`,
    `${real}/a\u0000b`,
    `${real}/${'n'.repeat(256)}`,
    `/${'deep/'.repeat(900)}x`,
  ];

  it('are refused by every call that takes one', async () => {
    const real = await fresh();
    for (const bad of malformed(real)) {
      await refused(publish(bad), 'INVALID_ARGUMENT', /target_path/);
      await refused(unpublish(bad), 'INVALID_ARGUMENT', /target_path/);
      await refused(volume.stage(driver, { stagingTargetPath: bad }), 'INVALID_ARGUMENT', /staging_target_path/);
      await refused(
        driver.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath: bad }),
        'INVALID_ARGUMENT',
        /staging_target_path/,
      );
      const stats = { volumeId: volume.id, volumePath: bad };
      await refused(driver.node.NodeGetVolumeStats(stats), ['NOT_FOUND', 'INVALID_ARGUMENT']);
      await refused(driver.node.NodeExpandVolume(stats), ['NOT_FOUND', 'INVALID_ARGUMENT']);
    }
    expect(await readdir(real)).toEqual([]);
  });

  it('with a slash at the end are either refused or the path without it', async () => {
    const target = path.join(await fresh(), 'target');
    const answer = await publish(`${target}/`).catch(() => 'refused');
    if (answer === 'refused') expect(await mountAt(target)).toBeUndefined();
    else await unpublish(target);
  });
});

describe('NodePublish, target is a symbolic link', () => {
  it.each(['a directory', 'a file', 'nothing'])(
    'to %s is refused, and what it points to is left alone',
    async (what) => {
      const directory = await fresh();
      const real = path.join(directory, 'real');
      const link = path.join(directory, 'link');
      if (what === 'a directory') await mkdir(real);
      if (what === 'a file') await writeFile(real, '');
      await symlink(real, link);
      for (const of of [volume, raw]) {
        await refused(publish(link, of), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);
        await refused(unpublish(link, of), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);
      }
      expect(await mountAt(real)).toBeUndefined();
      expect((await lstat(link)).isSymbolicLink()).toBe(true);
    },
  );

  it('in its directory is followed, for the root of a kubelet may be one, and found again by either name', async () => {
    const directory = await fresh();
    await mkdir(path.join(directory, 'real'));
    await symlink(path.join(directory, 'real'), path.join(directory, 'link'));
    const through = path.join(directory, 'link', 'target');
    await publish(through);
    expect(await mountAt(path.join(directory, 'real', 'target'))).toMatchObject({ fsType: 'ext4' });
    await publish(path.join(directory, 'real', 'target'));
    expect((await driver.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: through })).usage).not.toEqual([]);
    await unpublish(through);
    expect(await readdir(path.join(directory, 'real'))).toEqual([]);
  });
});

describe('NodePublish and NodeUnpublish, target is occupied', () => {
  const foreignMounts: string[] = [];
  afterEach(async () => {
    for (const target of foreignMounts.splice(0)) await run('umount', [target], { deadline: Deadline.after(10_000) });
  });
  const tmpfsAt = async (target: string): Promise<void> => {
    await mkdir(target, { recursive: true });
    await run('mount', ['-t', 'tmpfs', 'none', target], { deadline: Deadline.after(10_000) });
    foreignMounts.push(target);
    await writeFile(path.join(target, 'precious'), 'kept');
  };

  it('by a mount of something else is refused by publish and unpublish, and stays mounted', async () => {
    const target = path.join(await fresh(), 'target');
    await tmpfsAt(target);
    for (const of of [volume, raw]) {
      await refused(publish(target, of), 'FAILED_PRECONDITION');
      await refused(unpublish(target, of), 'FAILED_PRECONDITION');
    }
    expect(await mountAt(target)).toMatchObject({ fsType: 'tmpfs' });
    expect(await get(target, 'precious')).toBe('kept');
  });

  it('by a mount over the volume keeps that mount', async () => {
    const target = path.join(await fresh(), 'target');
    await publish(target);
    await tmpfsAt(target);
    await refused(unpublish(target), 'FAILED_PRECONDITION');
    expect(await get(target, 'precious')).toBe('kept');
    await run('umount', [foreignMounts.pop()!], { deadline: Deadline.after(10_000) });
    await unpublish(target);
  });

  it('by files is refused, by unpublish too, and they stay', async () => {
    const target = path.join(await fresh(), 'target');
    await mkdir(target);
    await writeFile(path.join(target, 'precious'), 'kept');
    for (const of of [volume, raw]) {
      await refused(publish(target, of), 'FAILED_PRECONDITION');
      await refused(unpublish(target, of), 'FAILED_PRECONDITION');
    }
    expect(await get(target, 'precious')).toBe('kept');
  });

  it('by a file with content is refused, by unpublish too, and it stays', async () => {
    const target = path.join(await fresh(), 'target');
    await writeFile(target, 'kept');
    for (const of of [volume, raw]) {
      await refused(publish(target, of), 'FAILED_PRECONDITION');
      await refused(unpublish(target, of), 'FAILED_PRECONDITION');
    }
    expect(await readFile(target, 'utf8')).toBe('kept');
  });

  it('by something of the wrong kind is refused', async () => {
    const directory = await fresh();
    const [file, folder] = [path.join(directory, 'file'), path.join(directory, 'folder')];
    await writeFile(file, '');
    await mkdir(folder);
    await refused(publish(file, volume), 'FAILED_PRECONDITION');
    await refused(publish(folder, raw), 'FAILED_PRECONDITION');
    expect((await lstat(file)).isFile()).toBe(true);
  });

  it('below a directory that does not exist is refused, and nothing is made', async () => {
    const directory = await fresh();
    const target = path.join(directory, 'missing', 'target');
    await refused(publish(target), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'NOT_FOUND']);
    await refused(publish(target, raw), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'NOT_FOUND']);
    expect(await readdir(directory)).toEqual([]);
    await unpublish(target);
  });
});

describe('NodeStage, staging path', () => {
  it('with something else mounted on it is refused, and that stays', async () => {
    const other = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await other.attach(driver);
    const staging = await driver.stagingPath(other.id);
    await run('mount', ['-t', 'tmpfs', 'none', staging], { deadline: Deadline.after(10_000) });
    try {
      await writeFile(path.join(staging, 'precious'), 'kept');
      await refused(other.stage(driver), 'FAILED_PRECONDITION');
      await other.unstage(driver).catch(() => undefined);
      expect(await get(staging, 'precious')).toBe('kept');
    } finally {
      await run('umount', [staging], { deadline: Deadline.after(10_000) });
    }
    await put(await other.bring(driver), 'works now');
  });

  it('that is a file or a symbolic link is refused', async () => {
    const other = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await other.attach(driver);
    const directory = await fresh();
    const [file, link] = [path.join(directory, 'file'), path.join(directory, 'link')];
    await writeFile(file, '');
    await symlink(directory, link);
    for (const stagingTargetPath of [file, link]) {
      await refused(other.stage(driver, { stagingTargetPath }), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);
      expect(await mountAt(stagingTargetPath)).toBeUndefined();
    }
    expect((await readdir(directory)).sort()).toEqual(['file', 'link']);
    expect(await mountAt(directory)).toBeUndefined();
  });

  it('that somebody unmounted behind our back is mounted again by stage, and unstage works', async () => {
    const other = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await put(await other.bring(driver), 'kept');
    await other.unpublish(driver);
    const staging = await driver.stagingPath(other.id);
    await run('umount', [staging], { deadline: Deadline.after(10_000) });
    await refused(other.publish(driver), 'FAILED_PRECONDITION', /staged/);
    await other.stage(driver);
    expect(await get(await other.publish(driver))).toBe('kept');
    await other.unpublish(driver);
    await run('umount', [staging], { deadline: Deadline.after(10_000) });
    await rm(staging, { recursive: true });
    await other.unstage(driver);
  });

  it('is no target: publish refuses it, and unpublish does not unmount it', async () => {
    const staging = await driver.stagingPath(volume.id);
    await refused(publish(staging), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);
    await unpublish(staging).catch(() => undefined);
    expect(await mountAt(staging)).toMatchObject({ fsType: 'ext4' });
    const target = path.join(await fresh(), 'target');
    await publish(target);
    const asked = { volumeId: volume.id, stagingTargetPath: target };
    await driver.node.NodeUnstageVolume(asked).catch(() => undefined);
    expect(await mountAt(target)).toMatchObject({ fsType: 'ext4' });
    await unpublish(target);
  });
});
