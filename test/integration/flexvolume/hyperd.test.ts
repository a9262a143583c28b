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
import { podDirectory, type KubeletPod } from '../../flexvolume/kubelet.js';
import { accessAs, cluster } from '../ceph.js';
import { refusal } from '../csi/calls.js';
import type { Volume } from '../csi/volume.js';
import { watch } from '../rbd/librbd.js';
import { FlexGround } from './ground.js';

let ground: FlexGround;

beforeAll(async () => {
  ground = await FlexGround.open('flex');
});
afterEach(async () => {
  await ground.site.endVolumes();
});
afterAll(() => ground.close());

const fileOf = (pod: KubeletPod): string => path.join(podDirectory(pod), HAND_OVER_FILE);
const devicesOf = async (image: string): Promise<number> =>
  (await findLoops()).filter(({ file }) => file.endsWith(`:${path.basename(image)}`)).length;

describe('FlexVolume mount for hyperd', () => {
  it('leaves exactly the file that frakti reads, for root alone, and nothing mapped or mounted', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    expect(await readdir(podDirectory(pod))).toEqual([HAND_OVER_FILE]);
    expect((await stat(fileOf(pod))).mode & 0o7777).toBe(0o600);
    const text = await readFile(fileOf(pod), 'utf8');
    const [host = ''] = cluster().monitors[0]?.match(/\d+\.\d+\.\d+\.\d+/) ?? [];
    const said = {
      volumeID: `${ground.site.namespace}/${path.basename(volume.image)}`,
      ...{ pool: ground.site.pool, fsType: 'ext4', user: ground.guest.id, keyring: ground.guest.key },
      monitors: [`${host}:6789`],
    };
    expect(text).toBe(JSON.stringify({ cephRBDOptsData: said }));
    expect(await devicesOf(volume.image)).toBe(0);
    const record = await ground.holder(volume);
    expect(record?.holders).toMatchObject([{ node: ground.driver.nodeId, by: 'node' }]);
    expect(JSON.parse((await ground.site.metadata(volume.image))[FILESYSTEM_KEY] ?? '')).toMatchObject({
      ...{ state: 'formatted', type: 'ext4' },
    });
    expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
    expect(await ground.holder(volume)).toBeUndefined();
    expect(await ground.journal()).toEqual([]);
  });

  it('again is the same file, and follows a key that was changed', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    await ground.mount(pod);
    const before = await stat(fileOf(pod));
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    expect((await stat(fileOf(pod))).ino).toBe(before.ino);
    await chmod(fileOf(pod), 0o640);
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    expect((await stat(fileOf(pod))).mode & 0o7777).toBe(0o600);
    await ground.unmount(pod);
  });

  it('of a second pod is refused while the first has the volume, naming it, and granted afterwards', async () => {
    const volume = await ground.create();
    const [first, second] = [ground.pod(volume.image), ground.pod(volume.image)];
    await ground.mount(first);
    const refused = await ground.mount(second);
    expect(refused.status).toBe('Failure');
    expect(refused.message).toMatch(/^BERTH_VOLUME_IN_USE: /);
    expect(refused.message).toContain(first.uid);
    expect(await readdir(podDirectory(first))).toEqual([HAND_OVER_FILE]);
    await ground.unmount(first);
    expect(await ground.mount(second)).toEqual({ status: 'Success' });
    await ground.unmount(second);
  });

  it('is refused to another node, to CSI, and beside CSI', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    const other = await ground.newDriver('node-two').start();
    await ground.mount(pod);
    const there = await ground.binary('hyper~cephrbd', false, 'node-two');
    const pod2 = ground.pod(volume.image);
    await mkdir(podDirectory(pod2), { recursive: true });
    const refused = await there.run(['mount', podDirectory(pod2), JSON.stringify({ ...pod2.options })]);
    expect(refused.answer.message).toMatch(/^BERTH_VOLUME_HELD: /);
    expect((await refusal(volume.attach(other))).text).toContain('BERTH_VOLUME_HELD');
    expect((await refusal(volume.stage(ground.driver))).text).toContain('BERTH_VOLUME_IN_USE');
    await ground.unmount(pod);
    // A guest has had it.
    await ground.site.rbd('image-meta', 'remove', volume.image, GUEST_KEY);
    await volume.bring(ground.driver);
    expect((await ground.mount(pod)).message).toMatch(/^BERTH_VOLUME_IN_USE: /);
    await volume.leave(ground.driver);
  });

  it('of an image that nobody made for Berth is refused unless it has a filesystem', async () => {
    const image = `${ground.site.pool}/${ground.site.namespace}/by-hand`;
    await ground.site.rbd('create', '--size', '64M', image);
    const pod = ground.pod(image);
    expect((await ground.mount(pod)).message).toMatch(/^BERTH_FORMAT_REFUSED: /);
    await expect(stat(podDirectory(pod))).rejects.toThrow(/ENOENT/);
    await ground.site.rbd('image-meta', 'set', image, FILESYSTEM_KEY, '{"version":1,"state":"never"}');
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    await ground.unmount(pod);
    await ground.site.rbd('rm', '--no-progress', image);
  });

  it('takes user and key from the pod’s secret, as CSI or Kubernetes’ own RBD volumes spell them', async () => {
    await ground.showGuest('nobody');
    onTestFinished(() => ground.showGuest());
    const { id, key } = ground.guest;
    const volume = await ground.create();
    const spellings = [{ secret: { userID: id, userKey: key } }, { secret: { key }, options: { user: id } }];
    for (const spelling of spellings) {
      const pod = ground.pod(volume.image, spelling);
      expect(await ground.mount(pod, '1.11')).toEqual({ status: 'Success' });
      expect(await readFile(fileOf(pod), 'utf8')).toContain(`"user":"${id}","keyring":"${key}"`);
      expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
    }
  });

  it('takes them from a keyring of the node, and only from the directory that is meant for it', async () => {
    await ground.showGuest('nobody');
    onTestFinished(() => ground.showGuest());
    const { id, key } = ground.guest;
    const volume = await ground.create();
    const directory = path.join(ground.site.directory, 'keyrings');
    await mkdir(directory, { recursive: true });
    await writeFile(path.join(directory, 'ring'), `[client.${id}]\n\tkey = ${key}\n`, { mode: 0o600 });
    const pod = ground.pod(volume.image, { options: { keyring: 'ring' } });
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    await ground.unmount(pod);
    for (const keyring of ['/etc/ceph/ceph.client.admin.keyring', '../keys/node', path.join(directory, 'no')]) {
      const answer = await ground.mount(ground.pod(volume.image, { options: { keyring } }));
      expect(answer.message).toMatch(/^BERTH_FIELD_INVALID: keyring: /);
    }
  });

  it('shows no guest a user that may do everything, and none where nobody named one', async () => {
    onTestFinished(() => ground.showGuest());
    const volume = await ground.create();
    const pod = ground.pod(volume.image, { secret: { userID: 'admin', userKey: ground.guest.key } });
    const answer = await ground.mount(pod);
    expect(answer.status).toBe('Failure');
    expect(answer.message).not.toContain(ground.guest.key);
    await ground.showGuest({ id: 'admin', key: ground.guest.key });
    expect((await ground.mount(ground.pod(volume.image))).message).toMatch(/^BERTH_GUEST_USER_REFUSED: /);
    await ground.showGuest('nobody');
    expect((await ground.mount(ground.pod(volume.image))).message).toMatch(/^BERTH_CREDENTIALS_MISSING: /);
    expect(await ground.holder(volume)).toBeUndefined();
    expect(await ground.journal()).toEqual([]);
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
    const volume = await ground.create();
    const pod = ground.pod(volume.image, more);
    const answer = await ground.mount(pod);
    expect(answer.status).toBe('Failure');
    expect(answer.message).toMatch(reason);
  });

  it('takes another filesystem than it has for a refusal, and none for what it has', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image, { fsType: '' });
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    expect(await readFile(fileOf(pod), 'utf8')).toContain('"fsType":"ext4"');
    await ground.unmount(pod);
    const answer = await ground.mount(ground.pod(volume.image, { fsType: 'xfs' }));
    expect(answer.message).toMatch(/^BERTH_FILESYSTEM_MISMATCH: /);
    expect(await ground.holder(volume)).toBeUndefined();
  });
});

describe('FlexVolume unmount for hyperd', () => {
  it('of what was never there, of what is gone and once more is a success', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
    await ground.mount(pod);
    for (let i = 0; i < 3; i += 1) expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
    await mkdir(podDirectory(pod), { recursive: true });
    expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
  });

  it('works without a journal: the file names its image, and the record is given back', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    await ground.mount(pod);
    await rm(path.join(ground.driver.stateDir, 'journal'), { recursive: true });
    await mkdir(path.join(ground.driver.stateDir, 'journal'));
    expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
    expect(await ground.holder(volume)).toBeUndefined();
  });

  it('while a guest still has the image open removes the file and keeps the record, and so does a mount', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    await ground.mount(pod);
    const { pool, namespace } = ground.site;
    const guest = await watch({ access: accessAs('node'), pool, namespace, image: path.basename(volume.image) });
    try {
      const answer = await ground.unmount(pod);
      expect(answer.message).toMatch(/^BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
      await expect(stat(fileOf(pod))).rejects.toThrow(/ENOENT/);
      expect(await ground.holder(volume)).toBeDefined();
      expect((await ground.mount(pod)).message).toMatch(/^BERTH_VOLUME_IN_USE: .*client\.\d+ at/);
    } finally {
      await guest.stop();
    }
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
    expect(await ground.holder(volume)).toBeUndefined();
  });
});

describe('FlexVolume’s socket', () => {
  it('is for its owner alone', async () => {
    const stats = await stat(ground.socket);
    expect(stats.isSocket()).toBe(true);
    expect(stats.mode & 0o777).toBe(0o600);
  });
});

describe('FlexVolume mount for hyperd, a hand-over whose holder record says otherwise', () => {
  const rewrite = async (volume: Volume, change: (holder: object) => object): Promise<void> => {
    const record = await ground.holder(volume);
    const text = JSON.stringify({ ...record, holders: record?.holders.map(change) });
    await ground.site.rbd('image-meta', 'set', volume.image, HOLDER_KEY, text);
  };

  it('of an earlier boot is made anew, so that a fence can reach its guest', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    const [before] = (await ground.holder(volume))!.holders;
    await rewrite(volume, (holder) => ({ ...holder, bootId: 'before' }));
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    expect((await ground.holder(volume))!.holders).toMatchObject([{ state: 'staged', bootId: before.bootId! }]);
    expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
  });

  it('and names another node does not wait for that node’s guest', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image);
    expect(await ground.mount(pod)).toEqual({ status: 'Success' });
    const { pool, namespace } = ground.site;
    const there = await watch({ access: accessAs('controller'), pool, namespace, image: path.basename(volume.image) });
    try {
      expect((await ground.unmount(pod)).message).toMatch(/^BERTH_VOLUME_IN_USE: /);
      await rewrite(volume, (holder) => ({ ...holder, node: 'node-two' }));
      expect(await ground.unmount(pod)).toEqual({ status: 'Success' });
      expect(await ground.journal()).toEqual([]);
      expect((await ground.holder(volume))!.holders).toMatchObject([{ node: 'node-two' }]);
    } finally {
      await there.stop();
    }
    await ground.site.rbd('image-meta', 'remove', volume.image, HOLDER_KEY);
  });
});
