/**
 * Users of single volumes: what is taken with a node opens its own volumes and no other. On a real cluster, whose users
 * have the caps of docs/ceph-users.md and no more.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { capArguments, ownNodeCaps, userMakerCaps } from '../../../src/dev/ceph/users.js';
import { Secret } from '../../../src/model/secret.js';
import { Deadline } from '../../../src/model/deadline.js';
import { parseVolumeId } from '../../../src/model/volume-id.js';
import type { ClusterAccess, ImageRef, RbdPort } from '../../../src/rbd/port.js';
import { admin, cluster } from '../ceph.js';
import { startLibrbd } from '../rbd/librbd.js';
import { ext4, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { put } from './files.js';
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
  const files = [...(await filesBelow(node.stateDir)), ...(await filesBelow('/run/berth')), node.logFile];
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
  });
});
