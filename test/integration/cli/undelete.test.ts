/** `berth undelete` as a real process: a deleted volume is listed, comes back with its data, and is a volume again. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';

const MAIN = path.resolve('dist/src/main.js');
let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('undelete');
  driver = await site.driver('node-one').start();
});
afterAll(() => site.close());

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const undelete = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const options = ['--clusters', site.clustersFile, '--services', 'controller', '--kubernetes', 'off'];
    execFile(process.execPath, [MAIN, 'undelete', ...args, ...options], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });

it('a volume that its StorageClass keeps is listed, comes back under another name, and has its files', async () => {
  const parameters = { deleteRetention: '1h' };
  const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES, parameters });
  await put(await volume.bring(driver), 'not gone');
  await volume.leave(driver);
  await volume.delete();
  expect(await site.images()).toEqual([]);
  const listed = await undelete();
  expect(listed.code).toBe(0);
  expect(listed.stdout).toMatch(new RegExp(`^${volume.id} {2}id [0-9a-f]+ {2}.* kept until `));
  const { code, stdout } = await undelete('--volume', volume.id, '--as', 'rescued', '--claim', 'shop/data');
  expect(code).toBe(0);
  const { spec } = parse(stdout) as { readonly spec: { readonly csi: { volumeHandle: string; fsType: string } } };
  const handle = volume.id.replace(/[^/]+$/, 'rescued');
  expect(spec.csi).toEqual({ driver: 'rbd.csi.berth.dev', volumeHandle: handle, fsType: 'ext4' });
  const restored = site.adopt(handle, ext4(), driver);
  expect(await get(await restored.bring(driver))).toBe('not gone');
  await restored.leave(driver);
  await restored.delete();
  const again = await undelete('--volume', volume.id);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain('BERTH_VOLUME_NOT_FOUND');
  // Nobody waits an hour: it comes back once more, and is deleted by hand.
  await undelete('--volume', handle);
  await site.rbd('rm', '--no-progress', handle.split('/').slice(1).join('/'));
  await volume.delete();
});
