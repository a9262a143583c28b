/**
 * A real virtual machine takes the volume: the hand-off file alone makes runv's commands, QEMU's librbd opens the
 * image, the guest writes.
 */
import { mkdtemp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { HAND_OVER_FILE } from '../../../src/sandbox/hyperd/hand-over-file.js';
import { podDirectory, type KubeletPod } from '../../../src/dev/flexvolume/kubelet-pod.js';
import { plugOf } from '../../../src/dev/guest/hyperd-plug.js';
import { guestSystem, type GuestSystem } from '../../../src/dev/guest/guest-system.js';
import { SandboxGuest } from '../../../src/dev/guest/sandbox-guest.js';
import { settleAll } from '../../../src/model/settle-all.js';
import type { Volume } from '../csi/volume.js';
import { FencingController, outOfService } from '../fencing/fencing-controller.js';
import { FlexNode } from './flex-node.js';

const SUCCESS = { status: 'Success' };
const MINUTES = 600_000;
let flex: FlexNode;
let system: GuestSystem;
const guests: SandboxGuest[] = [];

beforeAll(async () => {
  flex = await FlexNode.open('flexg');
  system = await guestSystem(flex.site.directory);
}, 900_000);
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.kill();
  await flex.site.endVolumes();
});
afterAll(() => flex.close());

/** From the file alone, as frakti, hyperd and runv would; mounted and shown to the container as hyperstart does. */
async function start(pod: KubeletPod): Promise<SandboxGuest> {
  const plug = plugOf(await readFile(path.join(podDirectory(pod), HAND_OVER_FILE), 'utf8'));
  const directory = await mkdtemp(path.join(flex.site.directory, 'g-'));
  const guest = await SandboxGuest.start(system, directory);
  guests.push(guest);
  const node = await guest.plugDrive(plug);
  await guest.sh(`mount -t ${plug.fsType} ${plug.fsType === 'xfs' ? '-o nouuid' : ''} ${node} /volume`);
  await guest.sh('[ -d /volume/_data ] || mkdir -m 0777 /volume/_data');
  return guest;
}

async function ends(guest: SandboxGuest): Promise<void> {
  await guest.sh('umount /volume');
  await guest.shutDown();
}

it(
  'FlexVolume mount, guests of hyperd one after the other: each reads what was written, so does a host pod that may',
  async () => {
    const volume = await flex.create();
    const first = flex.pod(volume.image);
    expect(await flex.mount(first)).toEqual(SUCCESS);
    const writer = await start(first);
    await writer.sh('echo "from a guest" > /volume/_data/file');
    await ends(writer);
    expect(await flex.unmount(first)).toEqual(SUCCESS);

    const second = flex.pod(volume.image);
    expect(await flex.mount(second)).toEqual(SUCCESS);
    const reader = await start(second);
    expect(await reader.sh('cat /volume/_data/file')).toBe('from a guest');
    await ends(reader);
    expect(await flex.unmount(second)).toEqual(SUCCESS);

    const refused = flex.pod(volume.image, { driver: 'berth~rbd' });
    expect((await flex.mount(refused)).message).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
    const trusted = flex.pod(volume.image, { driver: 'berth~rbd', options: { allowHostMount: 'true' } });
    expect(await flex.mount(trusted)).toEqual(SUCCESS);
    expect(await readFile(path.join(podDirectory(trusted), '_data', 'file'), 'utf8')).toBe('from a guest\n');
    expect(await flex.unmount(trusted)).toEqual(SUCCESS);
    await flex.isGivenBack(volume);
  },
  MINUTES,
);

/** Nobody else gets it until Ceph has forgotten the guest, which takes 30 s. */
async function unmountAlive(volume: Volume): Promise<void> {
  const pod = flex.pod(volume.image);
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  const guest = await start(pod);
  await guest.sh('echo alive > /volume/_data/file && sync');
  const early = await flex.unmount(pod);
  expect(early.message).toMatch(/^BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
  expect((await flex.mount(flex.pod(volume.image))).message).toMatch(/^BERTH_VOLUME_IN_USE: /);
  expect((await flex.mount(flex.pod(volume.image, { driver: 'berth~rbd' }))).status).toBe('Failure');
  await guest.kill();
  await expect.poll(() => flex.unmount(pod), { timeout: 90_000, interval: 1_000 }).toEqual(SUCCESS);
  await flex.isGivenBack(volume);
}

/** Ceph has forgotten it, and nobody else gets the volume before it is gone. */
async function unmountFrozen(volume: Volume): Promise<void> {
  const pod = flex.pod(volume.image);
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  const guest = await start(pod);
  await guest.sh('echo before > /volume/_data/file && sync');
  process.kill(guest.pid, 'SIGSTOP');
  const isWatched = async () => (await flex.site.rbd('status', volume.image)).includes('watcher=');
  await expect.poll(isWatched, { timeout: 120_000, interval: 1_000 }).toBe(false);
  const frozen = await flex.unmount(pod);
  expect(frozen.message).toMatch(new RegExp(`^BERTH_VOLUME_IN_USE: .*pid ${guest.pid}, stopped.*stands still`));
  expect((await flex.mount(flex.pod(volume.image))).status).toBe('Failure');
  await guest.kill();
  await expect.poll(() => flex.unmount(pod), { timeout: 90_000, interval: 1_000 }).toEqual(SUCCESS);
  await flex.isGivenBack(volume);
}

it(
  'FlexVolume unmount, guests alive and frozen: nobody else gets their volumes until Ceph forgets them (waits 30 s)',
  async () => {
    await settleAll(unmountAlive(await flex.create()), unmountFrozen(await flex.create()));
  },
  MINUTES,
);

it(
  'ControllerUnpublish, guest of hyperd on a node out of service: fenced, never writes again',
  async () => {
    const controller = new FencingController(flex.site);
    const { nodeId } = flex.driver;
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    try {
      expect(await flex.mount(pod)).toEqual(SUCCESS);
      const guest = await start(pod);
      await guest.sh('echo early > /volume/_data/file && sync');
      const recorded = () => controller.clientOf(volume, nodeId).catch(() => 'none');
      await expect.poll(recorded, { timeout: 60_000, interval: 500 }).not.toBe('none');
      const instance = await recorded();
      expect(await flex.site.rbd('status', volume.image)).toContain(`watcher=${instance} `);
      // Other files fence in the same cluster meanwhile.
      const fenceOf = async (client: string) => (await controller.fences()).find((one) => one.instance === client);

      controller.views.set(nodeId, await outOfService());
      await controller.detach(volume, nodeId);
      expect(await controller.record(volume)).toBeUndefined();
      await expect(guest.sh('echo late > /volume/_data/late && sync /volume/_data/late')).rejects.toThrow(/ended with/);
      // The node registers itself when it starts, and names the guest's client while it has it.
      await flex.restart();
      await expect.poll(() => heardOf(controller)).toContain(instance);
      await controller.keeper.round();
      const standing = await fenceOf(instance);
      expect([standing?.instance, standing?.done]).toEqual([instance, undefined]);
      expect(await controller.until(instance)).toBeDefined();

      await guest.kill();
      expect(await flex.unmount(pod)).toEqual(SUCCESS);
      await flex.restart();
      await expect.poll(() => heardOf(controller)).toEqual([]);
      await controller.keeper.round();
      // Done, and left to lapse by itself: the dead guest's client stays out, the next guest is another client.
      expect(await controller.until(instance)).toBeDefined();
      expect(await fenceOf(instance)).toMatchObject({ instance, done: { why: expect.any(String) as string } });
      const next = flex.pod(volume.image);
      expect(await flex.mount(next)).toEqual(SUCCESS);
      const reader = await start(next);
      expect(await reader.sh('ls /volume/_data')).toBe('file');
      await ends(reader);
      expect(await flex.unmount(next)).toEqual(SUCCESS);
    } finally {
      await controller.close();
    }
  },
  MINUTES,
);

/** The clients that the node said it has, when it last registered itself. */
async function heardOf(controller: FencingController): Promise<readonly string[] | undefined> {
  const { nodeId } = flex.driver;
  return (await controller.registered(nodeId))?.clients;
}
