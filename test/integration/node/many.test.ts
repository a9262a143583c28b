/** Many volumes at once, every request sent several times: all succeed, and each volume is mapped once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { childrenSince, logLength, servedFiles } from './storage-daemon.js';

/** 64 by `npm run test:full`. */
const COUNT = Number(process.env['BERTH_MANY'] ?? 16);
/** What kubelet gives a mount. */
const PATIENCE_MS = 120_000;

let site: Site;
let driver: Driver;
let volumes: readonly Volume[];

beforeAll(async () => {
  site = await Site.open('many');
  driver = await site.driver('node-one').start();
  // It tries blkid, among others.
  await vi.waitFor(async () => expect(await driver.log()).toContain('"preflight ended"'), PATIENCE_MS);
  const create = () => site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
  volumes = await Promise.all(Array.from({ length: COUNT }, create));
  await Promise.all(volumes.map((volume) => volume.attach(driver)));
});
afterAll(() => site.close());

const loops = async (): Promise<readonly string[]> =>
  (await findLoops()).map(({ file }) => file).filter((file) => file.startsWith(`${site.directory}/`));
const mounts = async (): Promise<readonly string[]> =>
  (await readMounts())
    .filter(({ target, fsType }) => target.startsWith(`${site.directory}/`) && !fsType.startsWith('fuse'))
    .map(({ target }) => target);

/** The call for every volume: twice in one tick, and once more while it runs or just after. */
async function thrice(call: (volume: Volume) => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  const one = async (volume: Volume, index: number) => {
    const again = sleep((index * 137) % 4_000).then(() => call(volume));
    await Promise.all([call(volume), call(volume), again]);
  };
  const ends = await Promise.allSettled(volumes.map(one));
  expect(ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []))).toEqual([]);
  return performance.now() - begun;
}

async function stage(volume: Volume): Promise<void> {
  const stagingTargetPath = await driver.stagingPath(volume.id);
  const request = { volumeId: volume.id, stagingTargetPath, volumeCapability: volume.capability };
  await driver.node.NodeStageVolume({ ...request, secrets: volume.secrets }, PATIENCE_MS);
}

async function unstage(volume: Volume): Promise<void> {
  const stagingTargetPath = await driver.stagingPath(volume.id);
  await driver.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath }, PATIENCE_MS);
}

/** One line, so that the time is seen in every run. */
const say = (what: string, ms: number): void => void process.stdout.write(`${what}: ${(ms / 1000).toFixed(1)} s\n`);

describe.each(['for the first time', 'again'])(
  `NodeStage and NodeUnstage of ${COUNT} volumes %s, each call three times`,
  (when) => {
    it('and each is mapped and mounted once', { timeout: 2 * PATIENCE_MS }, async () => {
      const from = await logLength(driver);
      say(`${COUNT} volumes staged ${when}`, await thrice(stage));
      const children = await childrenSince(driver, from);
      expect(children.filter((command) => command.startsWith('losetup --find'))).toHaveLength(COUNT);
      expect(children.filter((command) => /^mkfs\S* (?!-V)/.test(command))).toHaveLength(when === 'again' ? 0 : COUNT);
      expect(children.filter((command) => command.startsWith('mount'))).toHaveLength(COUNT);
      // What the record names is recognized by its superblock, and what is empty by its bytes: no tool looks at it.
      // (A loop device that somebody had read-only before is made writable: no probe.)
      const probes = children.filter((command) => /^(blkid|blockdev --flushbufs|cmp)/.test(command));
      expect(probes).toEqual([]);
      const files = await loops();
      expect(files).toHaveLength(COUNT);
      expect(new Set(files).size).toBe(COUNT);
      expect(await servedFiles(driver)).toHaveLength(COUNT);
      expect([...(await mounts())].sort()).toEqual(
        (await Promise.all(volumes.map((volume) => driver.stagingPath(volume.id)))).sort(),
      );
    });

    it('and each holds its own data', async () => {
      for (const volume of volumes) {
        const staging = await driver.stagingPath(volume.id);
        if (when === 'again') expect(await get(staging)).toBe(volume.id);
        else await put(staging, volume.id);
      }
    });

    it('and nothing of them is left', { timeout: 2 * PATIENCE_MS }, async () => {
      const from = await logLength(driver);
      say(`${COUNT} volumes unstaged`, await thrice(unstage));
      const children = await childrenSince(driver, from);
      expect(children.filter((command) => command.startsWith('losetup --detach'))).toHaveLength(COUNT);
      expect(await loops()).toEqual([]);
      expect(await mounts()).toEqual([]);
      expect(await servedFiles(driver)).toEqual([]);
    });
  },
);
