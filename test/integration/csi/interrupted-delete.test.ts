/** A delete that is cut short leaves data in Ceph's trash, where it cannot be opened: the next one finishes it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keyringOf, layoutOf } from '../../../src/dev/ceph/layout.js';
import { Deadline } from '../../../src/model/deadline.js';
import { admin, cluster } from '../ceph.js';
import { block, MiB } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('cut');
  driver = await site.driver('node-one').start();
});
afterAll(() => site.close());

const adminArguments = (): readonly string[] => {
  const layout = layoutOf(cluster().clusterDirectory);
  return ['-c', layout.conf, '--id', 'admin', '--keyring', keyringOf(layout, 'client.admin')];
};

/** Begin to remove the image as another client, and die as soon as it cannot be seen any more. */
async function removeHalf(image: string, isSeen: () => Promise<boolean>): Promise<void> {
  const child = spawn('rbd', [...adminArguments(), 'rm', '--no-progress', image], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  while (await isSeen());
  child.kill('SIGKILL');
  await ended;
}

it('DeleteVolume, an earlier one was cut short: finishes it (waits 30 s for Ceph to forget its client)', async () => {
  const volume = await site.create(driver, block(), { sizeBytes: 32 * MiB, parameters: { objectSize: '4096' } });
  const { block_name_prefix: prefix } = JSON.parse(await site.rbd('info', volume.image, '--format', 'json')) as {
    block_name_prefix: string;
  };
  await site.rbd('bench', '--io-type', 'write', '--io-size', '4096', '--io-total', '32M', volume.image);
  const objects = async (): Promise<number> => {
    const where = ['--pool', site.pool, '--namespace', site.namespace];
    const stdout = await admin().rados([...where, 'ls'], Deadline.after(20_000));
    return stdout.split('\n').filter((name) => name.startsWith(prefix)).length;
  };
  expect(await objects()).toBe(8_192);
  // By what it is opened by: a list shows it to the end.
  const opens = (): Promise<boolean> =>
    site.rbd('info', volume.image).then(
      () => true,
      () => false,
    );
  await removeHalf(volume.image, opens);
  expect(await objects()).toBeGreaterThan(0);
  // Ceph forgets the client that died after about 30 s, and then 8,192 objects are removed.
  const deleted = (): Promise<unknown> => volume.delete().catch((error: unknown) => String(error));
  await expect.poll(deleted, { timeout: 180_000, interval: 1_000 }).toBeUndefined();
  expect(await objects()).toBe(0);
  await volume.delete();
}, 300_000);
