/** What FlexVolume stages by itself goes with its last pod, also with one that never came. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { LET_GO_OF_OTHERS } from '../host/scratch.js';
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

/** A container that is shown a directory without propagation: it has what is mounted below it when it starts. */
async function sidecar(shown: string): Promise<void> {
  const script = `mount --rbind '${shown}' /mnt && ${LET_GO_OF_OTHERS}; echo started; exec sleep 600`;
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  await once(child.stdout, 'data');
}

it('FlexVolume unmount, a sidecar has started that sees the sockets’ directory: the device goes', async () => {
  const volume = await flex.create();
  const pod = flex.pod(volume.image, HOST);
  const sockets = path.join(flex.root, 'plugins/rbd.csi.berth.dev');
  await mkdir(sockets, { recursive: true });
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  await sidecar(sockets);
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  expect((await findLoops()).filter(({ file }) => file.endsWith(`:${path.basename(volume.image)}`))).toEqual([]);
  expect(await flex.journal()).toEqual([]);
});
