/** The option `sandbox: kata`: a FlexVolume pod takes its volume as CSI's pods of Kata do, by a record and a guard. */
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { comesAttached, podDirectory, type KubeletPod, type KubeletVersion } from '../../flexvolume/kubelet.js';
import { asGuest, recordAt, recordsOf } from '../../kata/host.js';
import { get, put } from '../csi/files.js';
import type { Volume } from '../csi/volume.js';
import { FlexGround } from './ground.js';

const SUCCESS = { status: 'Success' };
const KATA = { sandbox: 'kata' };
let ground: FlexGround;

beforeAll(async () => {
  ground = await FlexGround.open('flexk');
});
afterEach(async () => {
  await ground.site.endVolumes();
  expect(await recordsOf(ground.driver.kataRecords), 'records after all volumes have gone').toEqual([]);
});
afterAll(() => ground.close());

async function writes(pod: KubeletPod, text: string): Promise<void> {
  const record = await recordAt(ground.driver.kataRecords, podDirectory(pod));
  await asGuest({ device: record.device, fsType: record.fstype }, (at) => put(at, text));
}

async function isGone(volume: Volume, pod: KubeletPod): Promise<void> {
  expect(await mountAt(podDirectory(pod))).toBeUndefined();
  await expect(access(podDirectory(pod))).rejects.toThrow(/ENOENT/);
  expect(await ground.holder(volume)).toBeUndefined();
  expect(await ground.journal()).toEqual([]);
}

it.each<KubeletVersion>(['1.11', '1.20'])(
  'FlexVolume mount for Kata, kubelet %s: a record and a read-only guard',
  async (version) => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image, { options: KATA });
    expect(await ground.mount(pod, version)).toEqual(SUCCESS);
    expect(await ground.mount(pod, version)).toEqual(SUCCESS);
    expect(await mountAt(podDirectory(pod))).toMatchObject({ fsType: 'tmpfs', source: `berth:${volume.id}` });
    expect(await recordAt(ground.driver.kataRecords, podDirectory(pod))).toMatchObject({ fstype: 'ext4', options: [] });
    await writes(pod, 'from a guest');
    expect(await ground.unmount(pod)).toEqual(SUCCESS);
    expect(await ground.unmount(pod)).toEqual(SUCCESS);
    await isGone(volume, pod);
  },
);

it('FlexVolume mount for Kata, a second pod: refused, naming the first one’s directory', async () => {
  const volume = await ground.create();
  const [first, second] = [KATA, KATA].map((options) => ground.pod(volume.image, { options }));
  expect(await ground.mount(first!)).toEqual(SUCCESS);
  const refused = await ground.mount(second!);
  expect(refused.message).toMatch(/^BERTH_KATA_ONE_POD: /);
  expect(refused.message).toContain(first!.uid);
  expect(await ground.unmount(first!)).toEqual(SUCCESS);
  expect(await ground.mount(second!)).toEqual(SUCCESS);
  expect(await ground.unmount(second!)).toEqual(SUCCESS);
  await isGone(volume, second!);
});

it('FlexVolume mount on the host, written by a guest: refused unless the pod’s option allows it', async () => {
  const volume = await ground.create();
  const pod = ground.pod(volume.image, { options: KATA });
  expect(await ground.mount(pod)).toEqual(SUCCESS);
  await writes(pod, 'from a guest');
  expect(await ground.unmount(pod)).toEqual(SUCCESS);
  const onHost = { driver: 'berth~rbd' };
  const refused = ground.pod(volume.image, onHost);
  expect((await ground.mount(refused)).message).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
  expect(await ground.unmount(refused)).toEqual(SUCCESS);
  const trusted = ground.pod(volume.image, { ...onHost, options: { allowHostMount: 'true' } });
  expect(await ground.mount(trusted)).toEqual(SUCCESS);
  expect(await get(podDirectory(trusted))).toBe('from a guest');
  expect(await ground.unmount(trusted)).toEqual(SUCCESS);
  await isGone(volume, trusted);
});

it('FlexVolume unmount for Kata, journal lost: guard, record and device go', async () => {
  const volume = await ground.create();
  const pod = ground.pod(volume.image, { options: KATA });
  expect(await ground.mount(pod)).toEqual(SUCCESS);
  for (const file of await ground.journal()) await rm(path.join(ground.driver.stateDir, 'journal', file));
  expect(await ground.unmount(pod)).toEqual(SUCCESS);
  expect(await mountAt(podDirectory(pod))).toBeUndefined();
  expect(await recordsOf(ground.driver.kataRecords)).toEqual([]);
  // Whose holder record it was nobody knows any more: the next pod of this node takes it over and gives it back.
  expect(await ground.mount(pod)).toEqual(SUCCESS);
  expect(await ground.unmount(pod)).toEqual(SUCCESS);
  await isGone(volume, pod);
});

it('FlexVolume mount for Kata: no key in the record', async () => {
  const volume = await ground.create();
  const pod = ground.pod(volume.image, {
    options: KATA,
    secret: { userID: ground.guest.id, userKey: ground.guest.key },
  });
  expect(await ground.mount(pod)).toEqual(SUCCESS);
  const name = Buffer.from(podDirectory(pod)).toString('base64url');
  const padded = name.padEnd(Math.ceil(name.length / 4) * 4, '=');
  const text = await readFile(path.join(ground.driver.kataRecords, padded, 'mountInfo.json'), 'utf8');
  expect(text).not.toContain(ground.guest.key);
  expect(await ground.unmount(pod)).toEqual(SUCCESS);
});

/** As the kubelet brings what Kubernetes attaches; answers what the first call that fails says. */
async function attached(pod: KubeletPod): Promise<string | undefined> {
  for (const args of comesAttached(pod, `rbd:${pod.options['pool'] ?? ''}`, '1.20')) {
    if (args[0] === 'getvolumename') continue;
    const directory = args[0]?.startsWith('mount') === true ? args[1]! : ground.root;
    await mkdir(directory, { recursive: true });
    const answer = await ground.call(args, pod.driver, true);
    if (answer.status !== 'Success') return answer.message;
  }
  return undefined;
}

// The kubelet asks for no unmountdevice of what is no mount.
it('FlexVolume unmountdevice for Kata, nothing mounted on the host: unstaged and detached', async () => {
  const volume = await ground.create();
  const pod = ground.pod(volume.image, { options: KATA, volume: 'pv-kata' });
  expect(await attached(pod)).toBeUndefined();
  await writes(pod, 'from a guest');
  expect(await ground.unmount(pod, true)).toEqual(SUCCESS);
  expect(await ground.call(['detach', 'pv-kata', pod.node], pod.driver, true)).toEqual(SUCCESS);
  await isGone(volume, pod);
  const onHost = ground.pod(volume.image, { driver: 'berth~rbd', volume: 'pv-host' });
  expect(await attached(onHost)).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
  expect(await ground.call(['detach', 'pv-host', onHost.node], onHost.driver, true)).toEqual(SUCCESS);
  expect(await ground.holder(volume)).toBeUndefined();
  expect(await ground.journal()).toEqual([]);
});
