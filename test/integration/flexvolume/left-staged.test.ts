/** What FlexVolume stages by itself goes with its last pod, also with one that never came. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { rounds } from '../reconcile/power.js';
import { FlexNode } from './flex-node.js';

let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('flexl', ['--reconcile-interval', '1', '--leftover-age', '1']);
});
afterEach(() => flex.site.endVolumes());
afterAll(() => flex.close());

const HOST = { driver: 'berth~rbd' };
const SUCCESS = { status: 'Success' };

it('FlexVolume mount, pod refused: nothing stays staged', async () => {
  const volume = await flex.create();
  const guest = flex.pod(volume.image);
  expect(await flex.mount(guest)).toEqual(SUCCESS);
  expect(await flex.unmount(guest)).toEqual(SUCCESS);
  expect((await flex.mount(flex.pod(volume.image, HOST))).message).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
  expect(await flex.journal()).toEqual([]);
  expect(await flex.holder(volume)).toBeUndefined();
});

it('FlexVolume mount, driver killed between stage and publish, never repeated: reconciliation unstages', async () => {
  const volume = await flex.create();
  await flex.restart(`publish:look@${volume.image.split('/').at(-1)}`);
  expect((await flex.mount(flex.pod(volume.image, HOST))).status).toBe('Failure');
  expect(await flex.driver.death(60_000)).toBe('SIGKILL');
  expect(await flex.journal()).toHaveLength(1);
  await flex.restart();
  await expect.poll(() => flex.journal(), { timeout: 60_000 }).toEqual([]);
  expect(await flex.holder(volume)).toBeUndefined();
});

it('FlexVolume mount, a pod that lives: keeps its volume through rounds of reconciliation', async () => {
  const volume = await flex.create();
  const pod = flex.pod(volume.image, HOST);
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  await rounds(flex.driver, 3);
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  expect(await flex.journal()).toHaveLength(1);
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  expect(await flex.journal()).toEqual([]);
});
