/**
 * What a node owes the cluster: each record is given back by itself, a cluster that is silent is asked once a round.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import { Journal } from '../../../../../src/journal/journal.js';
import { berthError } from '../../../../../src/model/errors.js';
import { NodeHolderRecords } from '../../../../../src/volume/node/node-holder-records.js';
import { Mappers } from '../../../../../src/volume/node/node-mappers.js';
import {
  returnPendingRecords,
  type PendingRecordsParts,
} from '../../../../../src/volume/node/recovery/return-records.js';
import type { Mapper } from '../../../../../src/rbd/mapping/mapper.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { memoryCluster, creation, soon } from '../../controller/memory-cluster.js';
import { createParts, detachParts } from '../../controller/use-case-parts.js';
import { nodeNamed } from '../../../../fakes/node-named.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof detachParts>;
beforeEach(() => {
  parts = detachParts(cluster);
});
let directory: string;
let node: PendingRecordsParts & { readonly journal: Journal };
const find = vi.fn(() => Promise.resolve(undefined));

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-pending-'));
  const journal = new Journal(directory);
  await journal.open();
  await writeFile(
    cluster.clustersFile,
    `clusters:
  - id: c1
    monitors: ['127.0.0.1:3300']
    pools: [{ name: rbd }]
    users:
      controller: { id: berth, keyFile: ${path.dirname(cluster.clustersFile)}/key }
      node: { id: berth, keyFile: ${path.dirname(cluster.clustersFile)}/key }
`,
  );
  const mapper = { name: 'krbd', find };
  const all = [mapper as unknown as Mapper];
  const choose = () => Promise.reject(new Error('nothing is chosen'));
  const thisNode = { self: nodeNamed('node-a'), bootId: 'b1' };
  const holderRecords = new NodeHolderRecords({ ...parts, ...thisNode, records: parts.holderRecords });
  const stillGuests = () => Promise.resolve([]);
  const own = { ...thisNode, journal, mappers: new Mappers({ all, choose, journal }), holderRecords, stillGuests };
  node = { ...parts, ...own } as unknown as PendingRecordsParts & { readonly journal: Journal };
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** An entry that is undone but for its holder record. */
async function addPending(name: string, more: Partial<JournalEntry> = {}): Promise<string> {
  const { volume } = await createVolume(createParts(cluster), creation(name), soon());
  await node.journal.write({
    ...{ version: 1, volume, fsid: 'f', stagingPath: path.join(directory, name), state: 'unstaging', mapper: 'krbd' },
    ...{ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, flagsDigest: '', holdsRecord: true },
    ...{ targets: {}, since: '2026-01-01T00:00:00.000Z' },
    ...more,
  });
  return volume;
}

async function round(): Promise<readonly string[]> {
  await returnPendingRecords(node, (await node.journal.all()).entries, () => false);
  return (await node.journal.all()).entries.map(({ volume }) => volume);
}

it('does not wait for a guest that still has its image open', async () => {
  const inUse = await addPending('guest', { handedTo: 'hyperd' });
  await addPending('a');
  await addPending('b');
  const guest = { address: '10.0.0.1:0/77', client: 4_711n };
  cluster.image('berth-guest')!.watchers = [guest];
  expect(await round()).toEqual([inUse]);
  cluster.image('berth-guest')!.watchers = [];
  expect(await round()).toEqual([]);
});

it('asks a cluster that does not answer once a round, and gives all back when it does', async () => {
  const pending = [await addPending('a'), await addPending('b'), await addPending('c', { handedTo: 'hyperd' })];
  cluster.rbd.failNext('head', () => berthError('BERTH_DEADLINE', { what: 'head', ms: 1 }));
  // One answer is missing: had any of the others been asked, it would be gone.
  expect([...(await round())].sort()).toEqual(pending);
  expect(await round()).toEqual([]);
});

it('gives back every other record although one cannot be read, or its pool does not let us', async () => {
  const pending = [await addPending('a'), await addPending('b')];
  await addPending('c');
  cluster.image('berth-a')!.metadata.set(HOLDER_KEY, '{"version":2}');
  const real = cluster.rbd.head.bind(cluster.rbd);
  const denied = berthError('BERTH_CEPH_DENIED', { user: 'u', what: 'look' });
  cluster.rbd.head = (at, deadline) => (at.image === 'berth-b' ? Promise.reject(denied) : real(at, deadline));
  expect([...(await round())].sort()).toEqual(pending);
});

it('owes nothing of an attach that is over and whose Ceph user went with it', async () => {
  await addPending('a');
  const [why, known] = ['it was detached', { volume: 'v', node: 'n' }];
  const image = vi
    .spyOn(parts.clusters, 'image')
    .mockRejectedValue(berthError('BERTH_VOLUME_USER_FAILED', { ...known, why }));
  expect(await round()).toHaveLength(1);
  image.mockRejectedValue(berthError('BERTH_GRANT_OUTDATED', { ...known, why }));
  expect(await round()).toEqual([]);
});

it('leaves alone what is staged, and what another node holds', async () => {
  const staged = await addPending('a', { state: 'staged' });
  const notOurs = await addPending('b', { holdsRecord: false });
  expect([...(await round())].sort()).toEqual([staged, notOurs]);
});

it('gives nothing back while its mapper cannot tell that the image is closed here', async () => {
  const pending = await addPending('a');
  find.mockRejectedValueOnce(berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'loop', why: 'it hangs' }));
  expect(await round()).toEqual([pending]);
  expect(await round()).toEqual([]);
});

it('goes on owing a volume whose place clusters.yaml has lost', async () => {
  const volume = 'c9/rbd/berth-lost';
  await addPending('a', { volume });
  await addPending('b', { volume: `${volume}-too`, handedTo: 'hyperd' });
  expect([...(await round())].filter((one) => one.startsWith('c9')).sort()).toEqual([volume, `${volume}-too`]);
});

it('a record that was looked at ahead is not read again to give it back, unless it changed since', async () => {
  const volume = await addPending('a');
  const { holderRecords } = node as unknown as { holderRecords: NodeHolderRecords };
  const image = cluster.image('berth-a')!;
  const held = (at: string) =>
    JSON.stringify({
      ...{ version: 1, volume, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false },
      holders: [{ node: 'node-a', since: at, by: 'node', state: 'staged', at, bootId: 'b1' }],
    });
  for (const changes of [false, true]) {
    image.metadata.set(HOLDER_KEY, held('2026-01-01T00:00:00.000Z'));
    const look = holderRecords.lookAhead({ volume });
    await look(soon());
    if (changes) image.metadata.set(HOLDER_KEY, held('2026-01-02T00:00:00.000Z'));
    const before = cluster.rbd.calls.length;
    expect(await holderRecords.giveBack({ volume }, { look })).toBe(true);
    expect(image.metadata.has(HOLDER_KEY)).toBe(false);
    const heads = cluster.rbd.calls.slice(before).filter(({ operation }) => operation.startsWith('head'));
    expect(heads).toHaveLength(changes ? 1 : 0);
  }
});

it('a look ahead that has failed by the time of the unmap is made once more', async () => {
  const volume = await addPending('a');
  const { holderRecords } = node as unknown as { holderRecords: NodeHolderRecords };
  cluster.rbd.failNext('head', () => berthError('BERTH_DEADLINE', { what: 'head', ms: 1 }));
  const look = holderRecords.lookAhead({ volume });
  await new Promise((resolve) => setImmediate(resolve));
  await vi.waitUntil(() => cluster.rbd.calls.some(({ operation }) => operation === 'head'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(await holderRecords.giveBack({ volume }, { look })).toBe(true);
});
