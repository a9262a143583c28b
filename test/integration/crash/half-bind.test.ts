/**
 * A read-only bind mount is two system calls: what a kill between them leaves is writable, and must not be taken for
 * done.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import { Site } from '../csi/site.js';
import { LoopGround } from './ground.js';

let site: Site;
let ground: LoopGround;

beforeAll(async () => {
  site = await Site.open('half');
  ground = new LoopGround(site, await site.driver('node-one').start());
});
afterAll(async () => {
  await ground.restart();
  await site.close();
});

it('NodePublish, killed between bind and its read-only remount: goes on from there', async () => {
  const volume = await site.create(ground.driver, ext4(), { sizeBytes: SMALL_BYTES });
  await volume.attach(ground.driver);
  const staging = await volume.stage(ground.driver);
  await ground.restart('publish:bind');
  await ground.dies(() => volume.publish(ground.driver, 'pod', { readonly: true }));
  const target = await ground.driver.targetPath(volume.id, 'pod');
  await run('mount', ['--bind', staging, target], { deadline: Deadline.after(10_000) });
  await ground.restart();
  expect((await mountAt(target))?.options).toContain('rw');
  await volume.publish(ground.driver, 'pod', { readonly: true });
  expect((await mountAt(target))?.options).toContain('ro');
  expect((await mountAt(staging))?.options).toContain('rw');
});
