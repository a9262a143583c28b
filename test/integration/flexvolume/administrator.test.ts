/** What a pod author may not decide: which image, a mount of a guest's filesystem by the node, a volume of CSI. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { GUEST_KEY } from '../../../src/volume/image/guest-mark.js';
import { specJson, type KubeletPod } from '../../../src/dev/flexvolume/kubelet-pod.js';
import { FlexNode } from './flex-node.js';

let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('flexa');
});
afterEach(async () => {
  await flex.allow({ images: 'any', allowHostMount: true });
  await flex.site.endVolumes();
});
afterAll(() => flex.close());

const HOST = { driver: 'berth~rbd' };
const SUCCESS = { status: 'Success' };

/** Every call that gives a pod something, or changes the image. */
async function refusalsOf(pod: KubeletPod): Promise<readonly (string | undefined)[]> {
  const calls = [
    ['attach', specJson(pod), pod.node],
    ['mountdevice', `${flex.root}/plugins/kubernetes.io/flexvolume/d`, '', specJson(pod)],
    ['expandvolume', specJson(pod), '', '134217728', '67108864'],
    ['expandfs', specJson(pod), '', '', '134217728', '67108864'],
  ];
  const said = [(await flex.mount(pod)).message];
  for (const args of calls) said.push((await flex.call(args, pod.driver, true)).message);
  return said.map((message) => message?.split(':')[0]);
}

it('FlexVolume, image that the clusters file does not name: refused by each call, until it does', async () => {
  const volume = await flex.create();
  const image = volume.image.split('/').at(-1)!;
  const pod = flex.pod(volume.image, HOST);
  await flex.allow(undefined);
  expect(await refusalsOf(pod)).toEqual(Array(5).fill('BERTH_FLEXVOLUME_IMAGE_REFUSED'));
  expect((await flex.mount(flex.pod(volume.image))).message).toContain(`flexVolume: { images: ["${image}"] }`);
  expect(await flex.holder(volume)).toBeUndefined();
  expect(await flex.journal()).toEqual([]);
  await flex.allow({ images: [image], allowHostMount: false });
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  // Whoever has it may end, also where the administrator thinks otherwise by then.
  await flex.allow({ images: ['none'], allowHostMount: false });
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  await flex.isGivenBack(volume);
});

it('FlexVolume, volume of CSI: refused by each call in favour of its PersistentVolume', async () => {
  const volume = await flex.createByCsi();
  expect(await refusalsOf(flex.pod(volume.image, HOST))).toEqual(Array(5).fill('BERTH_FLEXVOLUME_CSI_VOLUME'));
  expect((await flex.mount(flex.pod(volume.image))).message).toMatch(/^BERTH_FLEXVOLUME_CSI_VOLUME: /);
  expect(await flex.holder(volume)).toBeUndefined();
});

it('FlexVolume mount, allowHostMount: mounts what a guest wrote only where the pool allows it', async () => {
  const volume = await flex.create();
  const guest = flex.pod(volume.image);
  expect(await flex.mount(guest)).toEqual(SUCCESS);
  expect(await flex.unmount(guest)).toEqual(SUCCESS);
  expect(await flex.site.metadata(volume.image)).toHaveProperty([GUEST_KEY]);
  const pod = flex.pod(volume.image, { ...HOST, options: { allowHostMount: 'true' } });
  await flex.allow({ images: 'any', allowHostMount: false });
  expect((await flex.mount(pod)).message).toMatch(/^BERTH_FLEXVOLUME_HOST_MOUNT_REFUSED: /);
  await flex.allow({ images: 'any', allowHostMount: true });
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  await flex.isGivenBack(volume);
});
