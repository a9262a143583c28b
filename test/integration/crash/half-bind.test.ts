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
import { LoopNode } from './loop-node.js';

let site: Site;
let node: LoopNode;

beforeAll(async () => {
  site = await Site.open('half');
  node = new LoopNode(site, await site.driver('node-one').start());
});
afterAll(async () => {
  await node.restart();
  await site.close();
});

it('NodePublish, killed between bind and its read-only remount: goes on from there', async () => {
  const volume = await site.create(node.driver, ext4(), { sizeBytes: SMALL_BYTES });
  await volume.attach(node.driver);
  const staging = await volume.stage(node.driver);
  await node.restart('publish:bind');
  await node.dies(() => volume.publish(node.driver, 'pod', { readonly: true }));
  const target = await node.driver.targetPath(volume.id, 'pod');
  await run('mount', ['--bind', staging, target], { deadline: Deadline.after(10_000) });
  await node.restart();
  expect((await mountAt(target))?.options).toContain('rw');
  await volume.publish(node.driver, 'pod', { readonly: true });
  expect((await mountAt(target))?.options).toContain('ro');
  expect((await mountAt(staging))?.options).toContain('rw');
});
