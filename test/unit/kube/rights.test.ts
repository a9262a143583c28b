/**
 * The rights of the manifests are those that the code uses: every question that Berth asks of the API goes through this
 * room, and each of them is asked here of a server that refuses what no role allows.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DRIVER_NAME } from '../../../src/csi/identity-service.js';
import { openKube, type Kubernetes } from '../../../src/kube/open-kube.js';
import { listGroupContents, listSnapshotContents } from '../../../src/kube/snapshot-contents.js';
import { createLog } from '../../../src/observe/log.js';
import { ApiServer } from '../../kube/api-server.js';
import {
  CSI_NODES,
  EVENTS,
  NODES,
  PODS,
  PVCS,
  PVS,
  RUNTIME_CLASSES,
  soon,
  until,
  VAS,
} from '../../kube/api-fixture.js';
import { Rights } from '../../kube/rights.js';

const CSI_DRIVERS = '/apis/storage.k8s.io/v1/csidrivers';
let directory: string;
let server: ApiServer;
const open: Kubernetes[] = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-rights-'));
  server = new ApiServer();
  await server.start();
  server.put(NODES, { metadata: { name: 'n1' } });
  server.put(CSI_NODES, { metadata: { name: 'n1' } });
  server.put(CSI_DRIVERS, { metadata: { name: DRIVER_NAME } });
  server.put(RUNTIME_CLASSES, { metadata: { name: 'vm' }, handler: 'kata' });
  server.put(PODS, { metadata: { name: 'db-0', namespace: 'shop' }, spec: { runtimeClassName: 'vm' } });
  server.put(PVCS, { metadata: { name: 'data', namespace: 'shop' }, spec: { volumeName: 'pv-1' } });
  server.put(PVS, { metadata: { name: 'pv-1' }, spec: { csi: { driver: DRIVER_NAME, volumeHandle: 'c/p/v' } } });
  server.put(VAS, {
    metadata: { name: 'va-1' },
    spec: { attacher: DRIVER_NAME, nodeName: 'n1', source: { persistentVolumeName: 'pv-1' } },
  });
});
afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await server.stop();
  await rm(directory, { recursive: true });
});

/** As a driver has it that runs with this account. */
async function as(rights: Rights): Promise<Kubernetes> {
  server.mayCall = (_, call) => rights.allows(call);
  const config = path.join(directory, 'kubeconfig');
  const named = { 'current-context': 'x', contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }] };
  const [clusters, users] = [[{ name: 'c', cluster: { server: server.url } }], [{ name: 'u', user: { token: 't' } }]];
  await writeFile(config, JSON.stringify({ ...named, clusters, users }));
  const kube = (await openKube(config, DRIVER_NAME, createLog('silent')))!;
  open.push(kube);
  return kube;
}

describe('the node plugin', () => {
  it('asks whose it is, and for a pod with its RuntimeClass; its role allows that and no more', async () => {
    const rights = new Rights('berth-node', ['berth-node']);
    const kube = await as(rights);
    await kube.clusterUid(soon());
    await kube.runtimeClassOf({ namespace: 'shop', name: 'db-0', uid: 'uid-of-db-0' });
    expect([rights.refused, rights.unused]).toEqual([[], []]);
  });
});

describe('the controller', () => {
  it('reads volumes, attachments and nodes and writes Events; its role allows that and no more', async () => {
    const rights = new Rights('berth-controller', ['berth-driver']);
    const kube = await as(rights);
    const { attachments: api } = kube;
    await kube.clusterUid(soon());
    await kube.nodes.of('n1', soon());
    api.start();
    expect(await api.isFresh(soon())).toBe(true);
    await api.nodeOf('n1', soon());
    await api.readVolume('pv-1', soon());
    await api.read('va-1', soon());
    await api.claimNamed('shop', 'data', soon());
    await kube.objects.storageClass('berth-rbd', soon());
    await kube.objects.pod('shop/db-0', soon());
    await kube.objects.podsOfClaim('shop/data', undefined, soon());
    await kube.objects.podsThat(() => true, soon());
    await kube.objects.runtimeClass('vm', soon());
    await kube.objects.eventsOf('uid-of-data', 'shop', soon());
    await listSnapshotContents(kube.api, DRIVER_NAME, soon());
    await listGroupContents(kube.api, DRIVER_NAME, soon());
    await until('both are watched', () => server.openWatches === 2);
    kube.announce({ kind: 'Warning', reason: 'DetachWaits', message: 'm', about: { volume: 'c/p/v', node: 'n1' } });
    kube.announce({ kind: 'Warning', reason: 'Garbage', message: 'm', about: { driver: true } });
    await until('both Events are written', () => server.all(EVENTS).length === 2);
    // Another controller finds the same, and counts it.
    const second = await as(rights);
    second.announce({ kind: 'Warning', reason: 'Garbage', message: 'm', about: { driver: true } });
    await until('it is counted', () => server.all(EVENTS).some((one) => one['series'] !== undefined));
    expect([rights.refused, rights.unused]).toEqual([[], []]);
  });

  it('may not change an attachment by its own role: berth attachments --release needs another right', async () => {
    const rights = new Rights('berth-controller', ['berth-driver']);
    const { attachments } = await as(rights);
    const seen = (await attachments.read('va-1', soon()))!;
    await expect(attachments.liftFinalizer(seen, 'x', soon())).rejects.toThrow('BERTH_KUBE_DENIED');
    const both = new Rights('berth-controller', ['berth-driver', 'berth-attacher']);
    expect(await (await as(both)).attachments.liftFinalizer(seen, 'x', soon())).toBe(true);
  });
});
