/**
 * The demo's chapter on hyperd: the same image through FlexVolume's door, opened by QEMU's own librbd, from the
 * hand-over file alone.
 */
import { mkdir, readFile, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { HAND_OVER_FILE } from '../../sandbox/hyperd/hand-over-file.js';
import { Deadline } from '../../model/deadline.js';
import { install, type Installed } from '../flexvolume/installed-binary.js';
import { mountJson, podDirectory, type KubeletPod } from '../flexvolume/kubelet-pod.js';
import { plugOf, readTag } from '../guest/hyperd-plug.js';
import { GUEST_IMAGE, type GuestStage } from './guest-stage.js';
import type { Scene, Story } from './scene.js';

const DRIVER = 'hyper~cephrbd';

const soon = (): Deadline => Deadline.after(30_000);

const podIn = (kubelet: string, pool: string): KubeletPod => ({
  ...{ root: kubelet, driver: DRIVER, uid: '00000000-0000-4000-8000-000000000001', volume: 'data', node: 'node-one' },
  options: { volumeID: GUEST_IMAGE, pool },
});

/** One call-out of the kubelet; its answer is a success, or the message is thrown. */
async function call(binary: Installed, ...args: readonly string[]): Promise<void> {
  const { answer } = await binary.run(args);
  if (answer.status !== 'Success') throw new Error(answer.message ?? answer.status);
}

export async function inHyperdGuest(story: Story, scene: Scene, stage: GuestStage): Promise<void> {
  const { admin, controller, pool, one, two } = scene;
  const { directory, flexSocket, kubelet } = stage.options;
  const [idOne, idTwo] = [await one.id(), await two.id()];
  const pod = podIn(kubelet, pool);
  const place = podDirectory(pod);
  const binary = await install(path.join(directory, 'exec'), DRIVER, { socket: flexSocket, attach: false });
  const tag = await story.bring('FlexVolume mount on node-one', async () => {
    await mkdir(place, { recursive: true, mode: 0o750 });
    await call(binary, 'mount', place, mountJson(pod, '1.20'));
    const text = await readFile(path.join(place, HAND_OVER_FILE), 'utf8');
    const { source, fsType, user } = readTag(text);
    return [text, `${HAND_OVER_FILE}: ${source}, ${fsType}, as client.${user}; nothing is mapped`];
  });
  const guest = await story.bring('boot a virtual machine', async () => {
    const booted = await stage.boot();
    return [booted, `Linux ${await booted.sh('uname -r')}, emulated`];
  });
  await story.step('drive_add, as runv does', async () => {
    const plug = plugOf(tag);
    const disk = await guest.plugDrive(plug);
    await guest.sh(`mount -t ${plug.fsType} ${disk} /volume`);
    return `QEMU's own librbd: ${disk}`;
  });
  await story.step('read what Kata wrote, and write', async () => {
    const found = await stage.find(guest);
    await guest.sh('mkdir -m 0777 /volume/_data && echo from hyperd > /volume/_data/file && sync');
    return found;
  });
  await story.step('attach by CSI to node-two: refused', () =>
    controller.attachRefused(stage.volumeOf(pool), idTwo, idOne),
  );
  await story.step('shut it down, FlexVolume unmount', async () => {
    await guest.sh('umount /volume');
    await guest.shutDown();
    await call(binary, 'unmount', place);
    await rmdir(place);
    return undefined;
  });
  await story.step('the administrator removes the image', async () => {
    await admin.rbd(['rm', '--no-progress', `${pool}/${GUEST_IMAGE}`], soon());
    return undefined;
  });
}
