/**
 * A real virtual machine takes the volume: the hand-off file alone makes runv's commands, QEMU's librbd opens the
 * image, the guest writes.
 */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { HAND_OVER_FILE } from '../../../src/sandbox/hyperd/hand-over-file.js';
import { podDirectory, type KubeletPod } from '../../flexvolume/kubelet.js';
import { plugOf } from '../../guest/runv.js';
import { SandboxGuest, guestSystem, type GuestSystem } from '../../guest/sandbox.js';
import { FencingController, outOfService, soon } from '../fencing/ground.js';
import { FlexGround } from './ground.js';

const SUCCESS = { status: 'Success' };
const MINUTES = 600_000;
let ground: FlexGround;
let system: GuestSystem;
const guests: SandboxGuest[] = [];

beforeAll(async () => {
  ground = await FlexGround.open('flexg');
  system = await guestSystem(ground.site.directory);
}, 900_000);
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.kill();
  await ground.site.endVolumes();
});
afterAll(() => ground.close());

/** From the file alone, as frakti, hyperd and runv would; mounted and shown to the container as hyperstart does. */
async function start(pod: KubeletPod): Promise<SandboxGuest> {
  const plug = plugOf(await readFile(path.join(podDirectory(pod), HAND_OVER_FILE), 'utf8'));
  const directory = path.join(ground.site.directory, `g${guests.length}-${performance.now().toFixed(0)}`);
  await mkdir(directory);
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
    const volume = await ground.create();
    const first = ground.pod(volume.image);
    expect(await ground.mount(first)).toEqual(SUCCESS);
    const writer = await start(first);
    await writer.sh('echo "from a guest" > /volume/_data/file');
    await ends(writer);
    expect(await ground.unmount(first)).toEqual(SUCCESS);

    const second = ground.pod(volume.image);
    expect(await ground.mount(second)).toEqual(SUCCESS);
    const reader = await start(second);
    expect(await reader.sh('cat /volume/_data/file')).toBe('from a guest');
    await ends(reader);
    expect(await ground.unmount(second)).toEqual(SUCCESS);

    const refused = ground.pod(volume.image, { driver: 'berth~rbd' });
    expect((await ground.mount(refused)).message).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
    const trusted = ground.pod(volume.image, { driver: 'berth~rbd', options: { allowHostMount: 'true' } });
    expect(await ground.mount(trusted)).toEqual(SUCCESS);
    expect(await readFile(path.join(podDirectory(trusted), '_data', 'file'), 'utf8')).toBe('from a guest\n');
    expect(await ground.unmount(trusted)).toEqual(SUCCESS);
    await ground.isGivenBack(volume);
  },
  MINUTES,
);

it(
  'FlexVolume unmount, guest alive: nobody else gets the volume until Ceph forgets it (waits 30 s)',
  async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    expect(await ground.mount(pod)).toEqual(SUCCESS);
    const guest = await start(pod);
    await guest.sh('echo alive > /volume/_data/file && sync');
    const early = await ground.unmount(pod);
    expect(early.message).toMatch(/^BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
    expect((await ground.mount(ground.pod(volume.image))).message).toMatch(/^BERTH_VOLUME_IN_USE: /);
    expect((await ground.mount(ground.pod(volume.image, { driver: 'berth~rbd' }))).status).toBe('Failure');
    await guest.kill();
    // Ceph forgets a client that died after about 30 s.
    await expect.poll(() => ground.unmount(pod), { timeout: 90_000, interval: 1_000 }).toEqual(SUCCESS);
    await ground.isGivenBack(volume);
  },
  MINUTES,
);

it(
  'ControllerUnpublish, guest of hyperd on a node out of service: fenced, never writes again',
  async () => {
    const controller = new FencingController(ground.site);
    const { nodeId } = ground.driver;
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    try {
      expect(await ground.mount(pod)).toEqual(SUCCESS);
      const guest = await start(pod);
      await guest.sh('echo early > /volume/_data/file && sync');
      const recorded = () => controller.clientOf(volume, nodeId).catch(() => 'none');
      await expect.poll(recorded, { timeout: 60_000, interval: 500 }).not.toBe('none');
      const instance = await recorded();
      expect(await ground.site.rbd('status', volume.image)).toContain(`watcher=${instance} `);

      controller.views.set(nodeId, await outOfService());
      await controller.detach(volume, nodeId);
      expect(await controller.record(volume)).toBeUndefined();
      await expect(guest.sh('echo late > /volume/_data/late && sync /volume/_data/late')).rejects.toThrow(/ended with/);
      // The node registers itself when it starts, and names the guest's client while it has it.
      await ground.restart();
      await expect.poll(() => heardOf(controller)).toContain(instance);
      await controller.keeper.round();
      expect(await controller.until(instance)).toBeDefined();

      await guest.kill();
      expect(await ground.unmount(pod)).toEqual(SUCCESS);
      await ground.restart();
      await expect.poll(() => heardOf(controller)).toEqual([]);
      await controller.keeper.round();
      expect(await controller.until(instance)).toBeUndefined();
      const next = ground.pod(volume.image);
      expect(await ground.mount(next)).toEqual(SUCCESS);
      const reader = await start(next);
      expect(await reader.sh('ls /volume/_data')).toBe('file');
      await ends(reader);
      expect(await ground.unmount(next)).toEqual(SUCCESS);
    } finally {
      await controller.close();
    }
  },
  MINUTES,
);

/** The clients that the node said it has, when it last registered itself. */
async function heardOf(controller: FencingController): Promise<readonly string[] | undefined> {
  const { nodeId } = ground.driver;
  return (await controller.parts.nodes.read(await controller.registry(), [nodeId], soon())).get(nodeId)?.clients;
}
