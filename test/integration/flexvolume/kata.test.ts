/** The option `sandbox: kata`: a FlexVolume pod takes its volume as CSI's pods of Kata do, by a record and a guard. */
import { access, mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import {
  comesAttached,
  podDirectory,
  type KubeletPod,
  type KubeletVersion,
} from '../../../src/dev/flexvolume/kubelet-pod.js';
import { asGuest, recordAt, recordsOf } from '../../kata/host.js';
import { get, put } from '../csi/files.js';
import type { Volume } from '../csi/volume.js';
import { FlexNode } from './flex-node.js';

const SUCCESS = { status: 'Success' };
const KATA = { sandbox: 'kata' };
let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('flexk');
});
afterEach(async () => {
  await flex.site.endVolumes();
  expect(await recordsOf(flex.driver.kataRecords), 'records after all volumes have gone').toEqual([]);
});
afterAll(() => flex.close());

async function writes(pod: KubeletPod, text: string): Promise<void> {
  const record = await recordAt(flex.driver.kataRecords, podDirectory(pod));
  await asGuest({ device: record.device, fsType: record.fstype }, (at) => put(at, text));
}

async function isGone(volume: Volume, pod: KubeletPod): Promise<void> {
  expect(await mountAt(podDirectory(pod))).toBeUndefined();
  await expect(access(podDirectory(pod))).rejects.toThrow(/ENOENT/);
  expect(await flex.holder(volume)).toBeUndefined();
  expect(await flex.journal()).toEqual([]);
}

it.each<KubeletVersion>(['1.11', '1.20'])(
  'FlexVolume mount for Kata, kubelet %s: a record and a read-only guard',
  async (version) => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image, { options: KATA });
    expect(await flex.mount(pod, version)).toEqual(SUCCESS);
    expect(await flex.mount(pod, version)).toEqual(SUCCESS);
    expect(await mountAt(podDirectory(pod))).toMatchObject({ fsType: 'tmpfs', source: `berth:${volume.id}` });
    expect(await recordAt(flex.driver.kataRecords, podDirectory(pod))).toMatchObject({ fstype: 'ext4', options: [] });
    await writes(pod, 'from a guest');
    expect(await flex.unmount(pod)).toEqual(SUCCESS);
    expect(await flex.unmount(pod)).toEqual(SUCCESS);
    await isGone(volume, pod);
  },
);

it('FlexVolume mount for Kata, a second pod: refused, naming the first one’s directory', async () => {
  const volume = await flex.create();
  const [first, second] = [KATA, KATA].map((options) => flex.pod(volume.image, { options }));
  expect(await flex.mount(first!)).toEqual(SUCCESS);
  const refused = await flex.mount(second!);
  expect(refused.message).toMatch(/^BERTH_KATA_ONE_POD: /);
  expect(refused.message).toContain(first!.uid);
  expect(await flex.unmount(first!)).toEqual(SUCCESS);
  expect(await flex.mount(second!)).toEqual(SUCCESS);
  expect(await flex.unmount(second!)).toEqual(SUCCESS);
  await isGone(volume, second!);
});

it('FlexVolume mount on the host, written by a guest: refused unless the pod’s option allows it', async () => {
  const volume = await flex.create();
  const pod = flex.pod(volume.image, { options: KATA });
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  await writes(pod, 'from a guest');
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  const onHost = { driver: 'berth~rbd' };
  const refused = flex.pod(volume.image, onHost);
  expect((await flex.mount(refused)).message).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
  expect(await flex.unmount(refused)).toEqual(SUCCESS);
  const trusted = flex.pod(volume.image, { ...onHost, options: { allowHostMount: 'true' } });
  expect(await flex.mount(trusted)).toEqual(SUCCESS);
  expect(await get(podDirectory(trusted))).toBe('from a guest');
  expect(await flex.unmount(trusted)).toEqual(SUCCESS);
  await isGone(volume, trusted);
});

it('FlexVolume unmount for Kata, journal lost: guard, record and device go', async () => {
  const volume = await flex.create();
  const pod = flex.pod(volume.image, { options: KATA });
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  for (const file of await flex.journal()) await rm(path.join(flex.driver.stateDir, 'journal', file));
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  expect(await mountAt(podDirectory(pod))).toBeUndefined();
  expect(await recordsOf(flex.driver.kataRecords)).toEqual([]);
  // Whose holder record it was nobody knows any more: the next pod of this node takes it over and gives it back.
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
  await isGone(volume, pod);
});

it.each<KubeletVersion>(['1.11', '1.20'])(
  'FlexVolume mount, kubelet %s, fsGroup: of guest and host',
  async (version) => {
    const volume = await flex.create();
    const onHost = flex.pod(volume.image, { driver: 'berth~rbd', group: '4242' });
    expect(await flex.mount(onHost, version)).toEqual(SUCCESS);
    const { gid, mode } = await stat(podDirectory(onHost));
    expect({ gid, mode: mode & 0o2070 }).toEqual({ gid: 4242, mode: 0o2070 });
    expect(await flex.unmount(onHost)).toEqual(SUCCESS);
    const guest = flex.pod(volume.image, { options: KATA, group: '4243' });
    expect(await flex.mount(guest, version)).toEqual(SUCCESS);
    const { metadata } = await recordAt(flex.driver.kataRecords, podDirectory(guest));
    expect(metadata).toMatchObject({ fsGroup: '4243', fsGroupChangePolicy: 'OnRootMismatch' });
    expect(await flex.unmount(guest)).toEqual(SUCCESS);
  },
);

it('FlexVolume mount for Kata: no key in the record', async () => {
  const volume = await flex.create();
  const pod = flex.pod(volume.image, {
    options: KATA,
    secret: { userID: flex.guest.id, userKey: flex.guest.key },
  });
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  const name = Buffer.from(podDirectory(pod)).toString('base64url');
  const padded = name.padEnd(Math.ceil(name.length / 4) * 4, '=');
  const text = await readFile(path.join(flex.driver.kataRecords, padded, 'mountInfo.json'), 'utf8');
  expect(text).not.toContain(flex.guest.key);
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
});

/** As the kubelet brings what Kubernetes attaches; answers what the first call that fails says. */
async function attached(pod: KubeletPod): Promise<string | undefined> {
  for (const args of comesAttached(pod, `rbd:${pod.options['pool'] ?? ''}`, '1.20')) {
    if (args[0] === 'getvolumename') continue;
    const directory = args[0]?.startsWith('mount') === true ? args[1]! : flex.root;
    await mkdir(directory, { recursive: true });
    const answer = await flex.call(args, pod.driver, true);
    if (answer.status !== 'Success') return answer.message;
  }
  return undefined;
}

// The kubelet asks for no unmountdevice of what is no mount.
it('FlexVolume unmountdevice for Kata, nothing mounted on the host: unstaged and detached', async () => {
  const volume = await flex.create();
  const pod = flex.pod(volume.image, { options: KATA, volume: 'pv-kata' });
  expect(await attached(pod)).toBeUndefined();
  await writes(pod, 'from a guest');
  expect(await flex.unmount(pod, true)).toEqual(SUCCESS);
  expect(await flex.call(['detach', 'pv-kata', pod.node], pod.driver, true)).toEqual(SUCCESS);
  await isGone(volume, pod);
  const onHost = flex.pod(volume.image, { driver: 'berth~rbd', volume: 'pv-host' });
  expect(await attached(onHost)).toMatch(/^BERTH_HOST_MOUNT_REFUSED: /);
  expect(await flex.call(['detach', 'pv-host', onHost.node], onHost.driver, true)).toEqual(SUCCESS);
  expect(await flex.holder(volume)).toBeUndefined();
  expect(await flex.journal()).toEqual([]);
});
