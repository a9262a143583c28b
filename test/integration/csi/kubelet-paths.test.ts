/**
 * Paths as a real kubelet makes and spells them: bind mounts of its own, links, slashes; and directories that were
 * removed under it.
 */
import { mkdir, rmdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refused } from './calls.js';
import { block, ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { deviceSize } from './files.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
const mounts: string[] = [];

beforeAll(async () => {
  site = await Site.open('kubelet');
  driver = await site.driver('node-one').start();
});
afterEach(async () => {
  for (const target of mounts.splice(0).reverse()) await tool('umount', target);
  await site.endVolumes();
});
afterAll(() => site.close());

const tool = (file: string, ...args: readonly string[]) => run(file, args, { deadline: Deadline.after(10_000) });

async function bind(source: string, target: string): Promise<string> {
  await tool('mount', '--bind', source, target);
  mounts.push(target);
  return target;
}

const stats = async ({ id }: Volume, volumePath: string) =>
  driver.node.NodeGetVolumeStats({ volumeId: id, volumePath });

async function raw(): Promise<{ readonly volume: Volume; readonly target: string }> {
  const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
  return { volume, target: await volume.bring(driver) };
}

/** What the kubelet makes of a published raw volume: `volumeDevices/PV/dev/POD`, and a link in the pod's directory. */
async function mapped(target: string): Promise<{ readonly map: string; readonly link: string }> {
  const directory = path.join(path.dirname(target), 'volumeDevices/pv-1/dev');
  await mkdir(directory, { recursive: true });
  const map = path.join(directory, '5d6b1a35-8c1e-4f0e-9d2b-0a8f3a6c1111');
  await writeFile(map, '');
  await bind(target, map);
  const link = path.join(path.dirname(target), 'pv-1');
  await symlink(map, link);
  return { map, link };
}

describe('NodeGetVolumeStats and NodeExpandVolume, a raw volume', () => {
  it('at the kubelet’s own bind mount of the device, and by a link to it: the size, and it grows', async () => {
    const { volume, target } = await raw();
    const { map, link } = await mapped(target);
    for (const at of [target, `${target}/`, map, link, `${path.dirname(map)}/../dev/${path.basename(map)}`]) {
      const { usage, volumeCondition } = await stats(volume, at);
      expect(usage, at).toEqual([expect.objectContaining({ unit: 'BYTES', total: String(SMALL_BYTES) })]);
      expect(volumeCondition, at).toMatchObject({ abnormal: false });
    }
    await volume.expand(SMALL_BYTES * 2);
    expect(await volume.expandOn(driver, SMALL_BYTES * 2, map)).toBe(String(SMALL_BYTES * 2));
    expect(await deviceSize(target)).toBe(SMALL_BYTES * 2);
    expect((await stats(volume, link)).usage[0]).toMatchObject({ total: String(SMALL_BYTES * 2) });
  });

  it('at the bind mount of another volume, or of no device: NOT_FOUND', async () => {
    const one = await raw();
    const other = await raw();
    const { map } = await mapped(other.target);
    const file = path.join(path.dirname(one.target), 'file');
    await writeFile(file, '');
    for (const at of [map, other.target, file, path.dirname(one.target), '/dev/null']) {
      await refused(stats(one.volume, at), 'NOT_FOUND');
      await refused(one.volume.expandOn(driver, SMALL_BYTES, at), 'NOT_FOUND');
    }
  });
});

describe('NodeGetVolumeStats and NodeExpandVolume, a filesystem', () => {
  it('by slash, `..`, link and bind mount of its own: usage; where another volume is: NOT_FOUND', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(driver);
    const sub = path.join(path.dirname(target), 'subpath');
    await mkdir(sub);
    await bind(target, sub);
    const link = path.join(path.dirname(target), 'link');
    await symlink(target, link);
    const staging = await driver.stagingPath(volume.id);
    for (const at of [`${target}/`, `${target}/../mount`, `${link}/`, sub, `${staging}/.`]) {
      expect(
        (await stats(volume, at)).usage.map(({ unit }) => unit),
        at,
      ).toEqual(['BYTES', 'INODES']);
      expect(await volume.expandOn(driver, SMALL_BYTES, at), at).toBe(String(SMALL_BYTES));
    }
    const other = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const foreign = await other.bring(driver);
    for (const at of [foreign, `${target}/lost+found`, path.dirname(target)])
      await refused(stats(volume, at), 'NOT_FOUND');
  });
});

describe('NodeStage and NodePublish, a path below which the kernel takes no name', () => {
  /** A directory that is bound elsewhere, and was removed since: what a container is left with. */
  async function removed(): Promise<string> {
    const origin = path.join(site.directory, 'origin');
    const bound = path.join(site.directory, 'bound');
    await mkdir(origin);
    await mkdir(bound, { recursive: true });
    await bind(origin, bound);
    await rmdir(origin);
    return bound;
  }

  it('is an error at once, the volume is not busy after it, and the driver ends when it is asked to', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    const nowhere = [await removed(), '/proc'].map((directory) => path.join(directory, 'berth-x'));
    for (const stagingTargetPath of nowhere)
      await refused(volume.stage(driver, { stagingTargetPath }), 'INVALID_ARGUMENT', /cannot be made \(ENOENT\)/);
    await volume.stage(driver);
    for (const targetPath of nowhere)
      await refused(volume.publish(driver, 'pod', { targetPath }), 'INVALID_ARGUMENT', /cannot be made/);
    await volume.unstage(driver);
    expect(await driver.stop()).toBe('exit code 0');
    await driver.start();
  });
});
