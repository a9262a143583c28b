/**
 * Users of single volumes: what is taken with a node opens its own volumes and no other. On a real cluster, whose users
 * have the caps of docs/ceph-users.md and no more.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { capArguments, ownNodeCaps, userMakerCaps } from '../../../src/dev/ceph/users.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Secret } from '../../../src/model/secret.js';
import { Deadline } from '../../../src/model/deadline.js';
import { parseVolumeId } from '../../../src/model/volume-id.js';
import type { ClusterAccess, ImageRef, RbdPort } from '../../../src/rbd/port.js';
import { accessAs, admin, cluster } from '../ceph.js';
import { startLibrbd } from '../rbd/librbd.js';
import { ext4, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, put } from './files.js';
import { Site } from './site.js';
import type { Volume } from './volume.js';

const soon = (): Deadline => Deadline.after(60_000);
const small = { sizeBytes: SMALL_BYTES };
const made: string[] = [];
let site: Site;
let port: RbdPort;
let controller: Driver;
let one: Driver;
let two: Driver;

async function makeUser(id: string, caps: readonly string[], keyFile: string): Promise<void> {
  const key = await admin().ceph(['auth', 'get-or-create-key', `client.${id}`, ...caps], soon());
  made.push(id);
  await mkdir(path.dirname(keyFile), { recursive: true, mode: 0o700 });
  await writeFile(keyFile, key.trim(), { mode: 0o600 });
}

beforeAll(async () => {
  site = await Site.open('users');
  const { pool, namespace } = site;
  port = startLibrbd();
  const keyOf = (who: string) => path.join(site.directory, 'own', who, 'key');
  const users = {
    controller: { id: `${namespace}-maker`, keyFile: keyOf('maker') },
    node: { id: `${namespace}-of-{node}`, keyFile: keyOf('{node}') },
  };
  await makeUser(users.controller.id, capArguments(userMakerCaps([pool])), users.controller.keyFile);
  for (const name of ['one', 'two']) {
    const node = `${namespace}-${name}`;
    await makeUser(`${namespace}-of-${node}`, capArguments(ownNodeCaps([pool], pool, `/${node}`)), keyOf(node));
  }
  const { monitors } = cluster();
  const ours = { id: 'dev', monitors, pools: [{ name: pool, namespaces: [namespace] }], users };
  const clusters = [{ ...ours, registry: { pool, namespace: '' } }];
  await writeFile(site.clustersFile, stringify({ clusters }));
  const node = (name: string) =>
    site.driver(name, { services: 'identity,node', arguments: ['--reconcile-interval', '1'] }).start();
  [controller, one, two] = await Promise.all([
    site.driver('control', { services: 'identity,controller', arguments: ['--volume-users', 'on'] }).start(),
    node('one'),
    node('two'),
  ]);
});
afterEach(() => site.endVolumes());
afterAll(async () => {
  await port.close();
  await site.close();
  for (const id of made) await admin().ceph(['auth', 'rm', `client.${id}`], soon());
});

const DENIED = { code: 'BERTH_CEPH_DENIED' };
/** As a user with `profile rbd` for the whole pool: only to look. */
const adminAccess = (): ClusterAccess => accessAs('controller');
const makerAccess = async (): Promise<ClusterAccess> => {
  const key = await readFile(path.join(site.directory, 'own', 'maker', 'key'), 'utf8');
  return accessOf(`${site.namespace}-maker`, key);
};
const place = (access: ClusterAccess, volume: Volume): ImageRef => ({ access, ...parseVolumeId(volume.id)! });
const accessOf = (user: string, key: string): ClusterAccess => ({
  ...{ cluster: 'dev', monitors: cluster().monitors, user, key: new Secret(key) },
});

/** Every file below, of whatever depth. */
async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name));
}

/** What root on the node has: its own key, whatever lies in its files, and what its user reads in Ceph. */
async function taken(node: Driver): Promise<readonly ClusterAccess[]> {
  const keyFile = path.join(site.directory, 'own', node.nodeId, 'key');
  const own = accessOf(`${site.namespace}-of-${node.nodeId}`, await readFile(keyFile, 'utf8'));
  const logs = [node.logFile, controller.logFile];
  const files = [...(await filesBelow(node.stateDir)), ...(await filesBelow('/run/berth')), ...logs];
  for (const file of files) expect(await readFile(file, 'latin1'), file).not.toMatch(/AQ[A-Za-z0-9+/]{37}=/);
  const registry = { access: own, pool: site.pool, namespace: '' };
  const records = await port.listRecords(registry, `berth-keys//${node.nodeId}/`, '', 100, soon());
  const volumes = [...records].flatMap(([grant, text]) => {
    const { key } = JSON.parse(text) as { key?: string };
    return key === undefined ? [] : [accessOf(`berth-volume.${grant}`, key)];
  });
  return [own, ...volumes];
}

/** Which of them read the volume's data. */
async function whoReads(all: readonly ClusterAccess[], volume: Volume): Promise<readonly string[]> {
  const readers: string[] = [];
  for (const access of all) {
    const read = await port.readStart(place(access, volume), 4096, soon()).catch(() => undefined);
    if (read !== undefined) readers.push(access.user);
  }
  return readers;
}

/** Without secrets in any call, as a StorageClass that names none. */
async function bring(volume: Volume, node: Driver): Promise<string> {
  const secrets = {};
  await volume.attach(node, { secrets });
  await volume.stage(node, { secrets });
  return volume.publish(node, 'pod', { secrets });
}

describe('two nodes, each with a volume', () => {
  it('what is taken with the one opens its volume, and is refused the other node’s', async () => {
    const mine = await site.create(controller, ext4(), small);
    const other = await site.create(controller, ext4(), small);
    await put(await bring(mine, one), 'mine');
    await put(await bring(other, two), 'other');
    const loot = await taken(one);
    expect(loot).toHaveLength(2);
    expect(await whoReads(loot, mine)).toEqual([loot[1]!.user]);
    expect(await whoReads(loot, other)).toEqual([]);
    const [own] = loot;
    const records = { access: own!, pool: site.pool, namespace: '' };
    for (const object of [`berth-keys//${two.nodeId}/`, 'berth-keys'])
      await expect(port.listRecords(records, object, '', 9, soon())).rejects.toMatchObject(DENIED);
    for (const access of loot) {
      await expect(port.list(place(access, other), '', 9, soon())).rejects.toMatchObject(DENIED);
      const { id } = (await port.head(place(adminAccess(), other), soon()))!;
      const write = port.setMetadata(place(access, other), id, new Map([['a', 'b']]), soon());
      await expect(write).rejects.toMatchObject(DENIED);
    }
  });

  it('a volume that has left: its user is gone, and what was taken before opens nothing any more', async () => {
    const volume = await site.create(controller, ext4(), small);
    await bring(volume, one);
    const [, key] = await taken(one);
    await volume.leave(one);
    await expect(port.readStart(place(key!, volume), 512, soon())).rejects.toThrow();
    expect(await taken(one)).toHaveLength(1);
    await expect(admin().ceph(['auth', 'get', `client.${key!.user}`], soon())).rejects.toThrow();
  });
});

it('a driver that is started anew, a growth, the end of all: by the user of the volume', async () => {
  const volume = await site.create(controller, xfs(), { sizeBytes: XFS_BYTES });
  const target = await bring(volume, one);
  await put(target, 'before');
  await one.stop('SIGKILL');
  await one.start();
  await controller.controller.ControllerExpandVolume({
    ...{ volumeId: volume.id, capacityRange: { requiredBytes: String(2 * XFS_BYTES) }, secrets: {} },
  });
  await one.node.NodeExpandVolume({ volumeId: volume.id, volumePath: target, secrets: {} });
  const { usage } = await one.node.NodeGetVolumeStats({ volumeId: volume.id, volumePath: target });
  expect(Number(usage[0]!.total)).toBeGreaterThan(XFS_BYTES);
  expect(await get(target)).toBe('before');
  await volume.leave(one);
  expect(await get(await bring(volume, two))).toBe('before');
});

it('a node comes back that has lost its volume, and its user: takes it down, and unstages without him', async () => {
  const volume = await site.create(controller, ext4(), small);
  const target = await bring(volume, one);
  await one.stop('SIGKILL');
  // As behind a fence: the record names nobody any more.
  await site.rbd('image-meta', 'remove', volume.image, HOLDER_KEY);
  await volume.detach(one);
  await one.start();
  await expect.poll(() => mountAt(target), { timeout: 60_000 }).toBeUndefined();
  expect(await one.log()).toMatch(/this node lost the volume/);
  await volume.leave(one);
  await expect.poll(() => readdir(path.join(one.stateDir, 'journal')), { timeout: 60_000 }).toEqual([]);
  await bring(volume, two);
});

it('a copy: its user reads what it stands on, and cannot write there', async () => {
  const source = await site.create(controller, ext4(), small);
  await put(await bring(source, one), 'of the source');
  await source.leave(one);
  const asked = { name: site.unique('snap'), sourceVolumeId: source.id, secrets: {} };
  const { snapshot } = await controller.controller.CreateSnapshot(asked);
  const { snapshotId } = snapshot!;
  const request = { ...site.request(ext4(), small), volumeContentSource: { snapshot: { snapshotId } }, secrets: {} };
  const { volume: made } = await controller.controller.CreateVolume(request);
  const copy = site.track(made!.volumeId, ext4(), controller);
  expect(await get(await bring(copy, two))).toBe('of the source');
  const [, key] = await taken(two);
  const { id } = (await port.head(place(adminAccess(), source), soon()))!;
  const write = port.setMetadata(place(key!, source), id, new Map([['a', 'b']]), soon());
  await expect(write).rejects.toMatchObject(DENIED);
  await copy.leave(two);
  await controller.controller.DeleteSnapshot({ snapshotId, secrets: {} });
});

describe('the controller’s user', () => {
  const caps = {
    ...{ mon: 'profile rbd', mgr: 'allow command nothing', mds: 'allow r path=/none' },
    osd: 'allow rwx pool=hyper namespace="" object_prefix rbd_header.1',
  };
  it.each([
    ['mon', 'allow *'],
    ['mgr', 'allow *'],
    ['mds', 'allow *'],
    ['osd', 'allow *'],
    ['osd', `${caps.osd}; allow rwx pool=hyper`],
    ['osd', 'allow rwx pool=other namespace="" object_prefix rbd_header.1'],
  ] as const)('makes no user whose caps for %s are %s', async (daemon, wider) => {
    const access = await makerAccess();
    const given = { ...caps, [daemon]: wider };
    await expect(port.makeUser(access, 'berth-volume.wide', given, soon())).rejects.toMatchObject(DENIED);
  });

  it('makes no user of another name, and removes none', async () => {
    const access = await makerAccess();
    const other = `${site.namespace}-other`;
    await expect(port.makeUser(access, other, caps, soon())).rejects.toMatchObject(DENIED);
    await expect(port.dropUser(access, cluster().users.node.id, soon())).rejects.toMatchObject(DENIED);
  });
});

it('the doctors of controller and nodes find nothing wrong with it', async () => {
  for (const driver of [controller, one, two]) {
    await expect.poll(() => driver.log(), { timeout: 60_000 }).toContain('preflight ended');
    expect(await driver.log()).not.toMatch(/"check":"volume-users/);
  }
});
