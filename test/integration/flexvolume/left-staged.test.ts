/** What FlexVolume stages by itself goes with its last pod, also with one that never came. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { rounds } from '../reconcile/power.js';
import { FlexGround } from './ground.js';

let ground: FlexGround;

beforeAll(async () => {
  ground = await FlexGround.open('flexl', ['--reconcile-interval', '1', '--leftover-age', '1']);
});
afterEach(() => ground.site.endVolumes());
afterAll(() => ground.close());

const HOST = { driver: 'berth~rbd' };
const SUCCESS = { status: 'Success' };

it('FlexVolume mount, pod refused: nothing stays staged', async () => {
  const volume = await ground.create();
  const guest = ground.pod(volume.image);
  expect(await ground.mount(guest)).toEqual(SUCCESS);
  expect(await ground.unmount(guest)).toEqual(SUCCESS);
  expect((await ground.mount(ground.pod(volume.image, HOST))).message).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
  expect(await ground.journal()).toEqual([]);
  expect(await ground.holder(volume)).toBeUndefined();
});

it('FlexVolume mount, driver killed between stage and publish, never repeated: reconciliation unstages', async () => {
  const volume = await ground.create();
  await ground.restart(`publish:look@${volume.image.split('/').at(-1)}`);
  expect((await ground.mount(ground.pod(volume.image, HOST))).status).toBe('Failure');
  expect(await ground.driver.death(60_000)).toBe('SIGKILL');
  expect(await ground.journal()).toHaveLength(1);
  await ground.restart();
  await expect.poll(() => ground.journal(), { timeout: 60_000 }).toEqual([]);
  expect(await ground.holder(volume)).toBeUndefined();
});

it('FlexVolume mount, a pod that lives: keeps its volume through rounds of reconciliation', async () => {
  const volume = await ground.create();
  const pod = ground.pod(volume.image, HOST);
  expect(await ground.mount(pod)).toEqual(SUCCESS);
  await rounds(ground.driver, 3);
  expect(await ground.mount(pod)).toEqual(SUCCESS);
  expect(await ground.journal()).toHaveLength(1);
  expect(await ground.unmount(pod)).toEqual(SUCCESS);
  expect(await ground.journal()).toEqual([]);
});
