/**
 * hyperd's way: an image that is formatted, held and left unmapped, and a file that says all a guest needs to open it.
 */
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { HAND_OVER_FILE } from '../../../src/sandbox/hyperd/hand-over-file.js';
import { GUEST_KEY } from '../../../src/volume/image/guest-mark.js';
import { FILESYSTEM_KEY } from '../../../src/volume/image/provenance.js';
import { podDirectory, type KubeletPod } from '../../../src/dev/flexvolume/kubelet-pod.js';
import { accessAs, cluster } from '../ceph.js';
import { refusal } from '../csi/calls.js';
import type { Volume } from '../csi/volume.js';
import { watch } from '../rbd/librbd.js';
import { FlexNode } from './flex-node.js';

let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('flex');
});
afterEach(async () => {
  await flex.site.endVolumes();
});
afterAll(() => flex.close());

const fileOf = (pod: KubeletPod): string => path.join(podDirectory(pod), HAND_OVER_FILE);
const devicesOf = async (image: string): Promise<number> =>
  (await findLoops()).filter(({ file }) => file.endsWith(`:${path.basename(image)}`)).length;

describe('FlexVolume mount for hyperd', () => {
  it('leaves exactly the file that frakti reads, for root alone, and nothing mapped or mounted', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    expect(await readdir(podDirectory(pod))).toEqual([HAND_OVER_FILE]);
    expect((await stat(fileOf(pod))).mode & 0o7777).toBe(0o600);
    const text = await readFile(fileOf(pod), 'utf8');
    const [host = ''] = cluster().monitors[0]?.match(/\d+\.\d+\.\d+\.\d+/) ?? [];
    const said = {
      volumeID: `${flex.site.namespace}/${path.basename(volume.image)}`,
      ...{ pool: flex.site.pool, fsType: 'ext4', user: flex.guest.id, keyring: flex.guest.key },
      monitors: [`${host}:6789`],
    };
    expect(text).toBe(JSON.stringify({ cephRBDOptsData: said }));
    expect(await devicesOf(volume.image)).toBe(0);
    const record = await flex.holder(volume);
    expect(record?.holders).toMatchObject([{ node: flex.driver.nodeId, by: 'node' }]);
    expect(JSON.parse((await flex.site.metadata(volume.image))[FILESYSTEM_KEY] ?? '')).toMatchObject({
      ...{ state: 'formatted', type: 'ext4' },
    });
    expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
    expect(await flex.holder(volume)).toBeUndefined();
    expect(await flex.journal()).toEqual([]);
  });

  it('again is the same file, and follows a key that was changed', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    await flex.mount(pod);
    const before = await stat(fileOf(pod));
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    expect((await stat(fileOf(pod))).ino).toBe(before.ino);
    await chmod(fileOf(pod), 0o640);
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    expect((await stat(fileOf(pod))).mode & 0o7777).toBe(0o600);
    await flex.unmount(pod);
  });

  it('of a second pod is refused while the first has the volume, naming it, and granted afterwards', async () => {
    const volume = await flex.create();
    const [first, second] = [flex.pod(volume.image), flex.pod(volume.image)];
    await flex.mount(first);
    const refused = await flex.mount(second);
    expect(refused.status).toBe('Failure');
    expect(refused.message).toMatch(/^BERTH_VOLUME_IN_USE: /);
    expect(refused.message).toContain(first.uid);
    expect(await readdir(podDirectory(first))).toEqual([HAND_OVER_FILE]);
    await flex.unmount(first);
    expect(await flex.mount(second)).toEqual({ status: 'Success' });
    await flex.unmount(second);
  });

  it('is refused to another node, to CSI, and beside CSI', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    const other = await flex.newDriver('node-two').start();
    await flex.mount(pod);
    const there = await flex.binary('hyper~cephrbd', false, 'node-two');
    const pod2 = flex.pod(volume.image);
    await mkdir(podDirectory(pod2), { recursive: true });
    const refused = await there.run(['mount', podDirectory(pod2), JSON.stringify({ ...pod2.options })]);
    expect(refused.answer.message).toMatch(/^BERTH_VOLUME_HELD: /);
    expect((await refusal(volume.attach(other))).text).toContain('BERTH_VOLUME_HELD');
    expect((await refusal(volume.stage(flex.driver))).text).toContain('BERTH_VOLUME_IN_USE');
    await flex.unmount(pod);
    // A guest has had it.
    await flex.site.rbd('image-meta', 'remove', volume.image, GUEST_KEY);
    await volume.bring(flex.driver);
    expect((await flex.mount(pod)).message).toMatch(/^BERTH_VOLUME_IN_USE: /);
    await volume.leave(flex.driver);
  });

  it('of an image that nobody made for Berth is refused unless it has a filesystem', async () => {
    const image = `${flex.site.pool}/${flex.site.namespace}/by-hand`;
    await flex.site.rbd('create', '--size', '64M', image);
    const pod = flex.pod(image);
    expect((await flex.mount(pod)).message).toMatch(/^BERTH_FORMAT_REFUSED: /);
    await expect(stat(podDirectory(pod))).rejects.toThrow(/ENOENT/);
    await flex.site.rbd('image-meta', 'set', image, FILESYSTEM_KEY, '{"version":1,"state":"never"}');
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    await flex.unmount(pod);
    await flex.site.rbd('rm', '--no-progress', image);
  });

  it('takes user and key from the pod’s secret, as CSI or Kubernetes’ own RBD volumes spell them', async () => {
    await flex.showGuest('nobody');
    onTestFinished(() => flex.showGuest());
    const { id, key } = flex.guest;
    const volume = await flex.create();
    const spellings = [{ secret: { userID: id, userKey: key } }, { secret: { key }, options: { user: id } }];
    for (const spelling of spellings) {
      const pod = flex.pod(volume.image, spelling);
      expect(await flex.mount(pod, '1.11')).toEqual({ status: 'Success' });
      expect(await readFile(fileOf(pod), 'utf8')).toContain(`"user":"${id}","keyring":"${key}"`);
      expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
    }
  });

  it('takes them from a keyring of the node, and only from the directory that is meant for it', async () => {
    await flex.showGuest('nobody');
    onTestFinished(() => flex.showGuest());
    const { id, key } = flex.guest;
    const volume = await flex.create();
    const directory = path.join(flex.site.directory, 'keyrings');
    await mkdir(directory, { recursive: true });
    await writeFile(path.join(directory, 'ring'), `[client.${id}]\n\tkey = ${key}\n`, { mode: 0o600 });
    const pod = flex.pod(volume.image, { options: { keyring: 'ring' } });
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    await flex.unmount(pod);
    for (const keyring of ['/etc/ceph/ceph.client.admin.keyring', '../keys/node', path.join(directory, 'no')]) {
      const answer = await flex.mount(flex.pod(volume.image, { options: { keyring } }));
      expect(answer.message).toMatch(/^BERTH_FIELD_INVALID: keyring: /);
    }
  });

  it('shows no guest a user that may do everything, and none where nobody named one', async () => {
    onTestFinished(() => flex.showGuest());
    const volume = await flex.create();
    const pod = flex.pod(volume.image, { secret: { userID: 'admin', userKey: flex.guest.key } });
    const answer = await flex.mount(pod);
    expect(answer.status).toBe('Failure');
    expect(answer.message).not.toContain(flex.guest.key);
    await flex.showGuest({ id: 'admin', key: flex.guest.key });
    expect((await flex.mount(flex.pod(volume.image))).message).toMatch(/^BERTH_GUEST_USER_REFUSED: /);
    await flex.showGuest('nobody');
    expect((await flex.mount(flex.pod(volume.image))).message).toMatch(/^BERTH_CREDENTIALS_MISSING: /);
    expect(await flex.holder(volume)).toBeUndefined();
    expect(await flex.journal()).toEqual([]);
  });

  it.each([
    [{ options: { volumeID: '' } }, /^BERTH_FIELD_MISSING: options.volumeID/],
    [{ options: { typo: 'x' } }, /^BERTH_FIELD_INVALID: options.typo/],
    [{ options: { sandbox: 'vm' } }, /^BERTH_FIELD_INVALID: options.sandbox/],
    [{ options: { allowHostMount: 'yes' } }, /^BERTH_FIELD_INVALID: options.allowHostMount/],
    [{ options: { pool: 'nowhere' } }, /^BERTH_POOL_NOT_OURS: /],
    [{ options: { monitors: '10.99.99.99:6789' } }, /^BERTH_FIELD_INVALID: monitors/],
    [{ options: { volumeID: 'no-such-image' } }, /^BERTH_VOLUME_NOT_FOUND: /],
    [{ options: { volumeID: 'a:b@c' } }, /^BERTH_FIELD_INVALID: image/],
    [{ fsType: 'ext3' }, /^BERTH_FIELD_INVALID: options.kubernetes.io\/fsType/],
    [{ secret: { key: 'x' } }, /^BERTH_SECRETS_INVALID: /],
  ])('with %j is refused by its reason', async (more, reason) => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image, more);
    const answer = await flex.mount(pod);
    expect(answer.status).toBe('Failure');
    expect(answer.message).toMatch(reason);
  });

  it('takes another filesystem than it has for a refusal, and none for what it has', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image, { fsType: '' });
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    expect(await readFile(fileOf(pod), 'utf8')).toContain('"fsType":"ext4"');
    await flex.unmount(pod);
    const answer = await flex.mount(flex.pod(volume.image, { fsType: 'xfs' }));
    expect(answer.message).toMatch(/^BERTH_FILESYSTEM_MISMATCH: /);
    expect(await flex.holder(volume)).toBeUndefined();
  });
});

describe('FlexVolume unmount for hyperd', () => {
  it('of what was never there, of what is gone and once more is a success', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
    await flex.mount(pod);
    for (let i = 0; i < 3; i += 1) expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
    await mkdir(podDirectory(pod), { recursive: true });
    expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
  });

  it('works without a journal: the file names its image, and the record is given back', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    await flex.mount(pod);
    await rm(path.join(flex.driver.stateDir, 'journal'), { recursive: true });
    await mkdir(path.join(flex.driver.stateDir, 'journal'));
    expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
    expect(await flex.holder(volume)).toBeUndefined();
  });

  it('while a guest still has the image open removes the file and keeps the record, and so does a mount', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    await flex.mount(pod);
    const { pool, namespace } = flex.site;
    const guest = await watch({ access: accessAs('node'), pool, namespace, image: path.basename(volume.image) });
    try {
      const answer = await flex.unmount(pod);
      expect(answer.message).toMatch(/^BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
      await expect(stat(fileOf(pod))).rejects.toThrow(/ENOENT/);
      expect(await flex.holder(volume)).toBeDefined();
      expect((await flex.mount(pod)).message).toMatch(/^BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
    } finally {
      await guest.stop();
    }
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
    expect(await flex.holder(volume)).toBeUndefined();
  });
});

describe('FlexVolume’s socket', () => {
  it('is for its owner alone', async () => {
    const stats = await stat(flex.socket);
    expect(stats.isSocket()).toBe(true);
    expect(stats.mode & 0o777).toBe(0o600);
  });
});

describe('FlexVolume mount for hyperd, a hand-over whose holder record says otherwise', () => {
  const rewrite = async (volume: Volume, change: (holder: object) => object): Promise<void> => {
    const record = await flex.holder(volume);
    const text = JSON.stringify({ ...record, holders: record?.holders.map(change) });
    await flex.site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, text);
  };

  it('of an earlier boot is made anew, so that a fence can reach its guest', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    const [before] = (await flex.holder(volume))!.holders;
    await rewrite(volume, (holder) => ({ ...holder, bootId: 'before' }));
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    expect((await flex.holder(volume))!.holders).toMatchObject([{ state: 'staged', bootId: before.bootId! }]);
    expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
  });

  it('and names another node does not wait for that node’s guest', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    expect(await flex.mount(pod)).toEqual({ status: 'Success' });
    const { pool, namespace } = flex.site;
    const there = await watch({ access: accessAs('controller'), pool, namespace, image: path.basename(volume.image) });
    try {
      expect((await flex.unmount(pod)).message).toMatch(/^BERTH_VOLUME_IN_USE: /);
      // It is the only one, from this machine: it may have been recorded as this node's guest before.
      const clients = [{ address: there.address, client: 'client.1' }];
      await rewrite(volume, (holder) => ({ ...holder, node: 'node-two', clients }));
      expect(await flex.unmount(pod)).toEqual({ status: 'Success' });
      expect(await flex.journal()).toEqual([]);
      expect((await flex.holder(volume))!.holders).toMatchObject([{ node: 'node-two' }]);
    } finally {
      await there.stop();
    }
    await flex.site.rbd('image-meta', 'remove', volume.image, HOLDER_KEY);
  });
});
