/** A node that had a hundred volumes and was rebooted: what it asks of Ceph, and how much of that at a time. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { Journal } from '../../../src/journal/journal.js';
import type { Mapper } from '../../../src/rbd/mapping/mapper.js';
import type { RbdPort } from '../../../src/rbd/port.js';
import { NodeReconciler, type ReconcilerParts } from '../../../src/reconcile/node-reconciler.js';
import { KataRecords } from '../../../src/sandbox/kata/kata-records.js';
import { createVolume } from '../../../src/volume/controller/create/create-volume.js';
import { NodeHolderRecords } from '../../../src/volume/node/node-holder-records.js';
import { Mappers } from '../../../src/volume/node/node-mappers.js';
import { forgetEntry, type ForgetParts } from '../../../src/volume/node/recovery/forget-entry.js';
import { returnRecord, type ReturnRecordParts } from '../../../src/volume/node/recovery/return-records.js';
import { takeDownRevoked, type RevokedParts } from '../../../src/volume/node/recovery/revoked-volumes.js';
import { Operations } from '../../../src/volume/operation/operations.js';
import type { NodeSteps } from '../../../src/volume/operation/steps.js';
import { nodeNamed } from '../../fakes/node-named.js';
import { creation, memoryCluster, soon } from '../volume/controller/memory-cluster.js';
import { createParts, detachParts, log } from '../volume/controller/use-case-parts.js';
import { entry, facts, OLD } from './node-facts-fixture.js';

const VOLUMES = 100;
const cluster = memoryCluster();
let node: ForgetParts & ReturnRecordParts & RevokedParts & { readonly journal: Journal };

beforeEach(async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-reboot-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const journal = new Journal(path.join(directory, 'journal'));
  await journal.open();
  const key = path.join(path.dirname(cluster.clustersFile), 'key');
  await writeFile(
    cluster.clustersFile,
    `clusters:
  - id: c1
    monitors: ['127.0.0.1:3300']
    pools: [{ name: rbd }]
    users: { controller: { id: berth, keyFile: ${key} }, node: { id: berth, keyFile: ${key} } }
`,
  );
  const mapper = { name: 'krbd', find: () => Promise.resolve(undefined), list: () => Promise.resolve([]) };
  const all = [mapper as unknown as Mapper];
  const choose = () => Promise.reject(new Error('nothing is chosen'));
  const parts = detachParts(cluster);
  const thisNode = { self: nodeNamed('node-a'), bootId: 'b2' };
  node = {
    ...parts,
    ...thisNode,
    journal,
    operations: new Operations<NodeSteps>(),
    mappers: new Mappers({ all, choose, journal }),
    holderRecords: new NodeHolderRecords({ ...parts, ...thisNode, records: parts.holderRecords }),
    kataRecords: new KataRecords(path.join(directory, 'kata')),
    exec: () => Promise.reject(new Error('no program is needed')),
    stillGuests: () => Promise.resolve([]),
  };
  for (let n = 0; n < VOLUMES; n += 1) await stagedBefore(path.join(directory, 'stages'), n);
});

/** Staged by the boot before, which has taken the record itself. */
async function stagedBefore(directory: string, n: number): Promise<void> {
  const { volume } = await createVolume(createParts(cluster), creation(`v${n}`), soon());
  const since = '2026-01-01T00:00:00.000Z';
  const holder = { node: 'node-a', since, by: 'node', state: 'staged', at: since, bootId: 'b1' };
  const record = { version: 1, volume, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false };
  cluster.image(`berth-v${n}`)!.metadata.set(HOLDER_KEY, JSON.stringify({ ...record, holders: [holder] }));
  const stagingPath = path.join(directory, String(n));
  await node.journal.write(entry({ volume, fsid: cluster.rbd.fsid, stagingPath, holdsRecord: true, since }));
}

it('after a reboot, 100 volumes staged before: a read and a write for each record, one at a time', async () => {
  let [running, most] = [0, 0];
  const gate =
    <T>(call: (...given: readonly never[]) => Promise<T>) =>
    async (...given: readonly never[]): Promise<T> => {
      most = Math.max(most, (running += 1));
      await new Promise(setImmediate);
      return call(...given).finally(() => (running -= 1));
    };
  const { rbd } = cluster;
  const operations = ['head', 'headById', 'compareAndSet'] as const;
  for (const name of operations)
    Object.assign(rbd, { [name]: gate(rbd[name].bind(rbd) as never) } as unknown as Partial<RbdPort>);
  const acts = {
    forget: (known, deadline) => forgetEntry(node, known, deadline),
    returnRecord: (known, deadline) => returnRecord(node, known, deadline),
  } as ReconcilerParts['acts'];
  const gather = async () => facts({ ...(await node.journal.all()), now: Date.now(), quietFrom: OLD });
  const parts = { gather, takeDownRevoked: (stopped: () => boolean) => takeDownRevoked(node, stopped), acts, log };
  const reconciler = new NodeReconciler(parts, { driver: 'rbd.csi.berth.dev', everyMs: 60_000 });
  rbd.calls.length = 0;
  await reconciler.round();
  expect((await node.journal.all()).entries).toEqual([]);
  const held = Array.from({ length: VOLUMES }, (_, n) => cluster.image(`berth-v${n}`)!.metadata.has(HOLDER_KEY));
  expect(held).not.toContain(true);
  expect(rbd.calls.length).toBe(2 * VOLUMES);
  expect(most).toBe(1);
  rbd.calls.length = 0;
  await reconciler.round();
  expect(rbd.calls).toEqual([]);
});
