/**
 * A device whose daemon died gets another one, which is another client: recorded, and only while the volume is this
 * node's.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { HOLDER_KEY, parseHolderRecord, type Holder } from '../../../../../src/attachment/holder-record.js';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import { Journal } from '../../../../../src/journal/journal.js';
import type { Mapper } from '../../../../../src/rbd/mapping/mapper.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { NodeHolderRecords } from '../../../../../src/volume/node/node-holder-records.js';
import { Mappers } from '../../../../../src/volume/node/node-mappers.js';
import { reattachEntry, type ReattachParts } from '../../../../../src/volume/node/recovery/reattach-entry.js';
import type { MemoryImage } from '../../../../fakes/rbd-memory.js';
import { memoryCluster, creation, soon } from '../../controller/memory-cluster.js';
import { createParts, detachParts } from '../../controller/use-case-parts.js';
import { nodeNamed } from '../../../../fakes/node-named.js';

const OLD = { address: '10.0.0.1:0/11', client: 'client.11' };
const NEW = { address: '10.0.0.1:0/12', client: 12n };
const cluster = memoryCluster();
let parts: ReturnType<typeof detachParts>;
beforeEach(() => {
  parts = detachParts(cluster);
});
let node: ReattachParts;
let image: MemoryImage;
let entry: JournalEntry;
const map = vi.fn();
const cutOff = vi.fn(() => Promise.resolve());

/** The record with this node's part as it is given; another node's where there is none. */
function record(mine: Partial<Holder> | undefined): void {
  const holder = { node: 'node-a', since: 'x', by: 'controller', state: 'staged', bootId: 'b1', clients: [OLD] };
  const other = { ...holder, node: 'node-b' };
  const holders = [mine === undefined ? other : { ...holder, ...mine }];
  const text = JSON.stringify({ version: 1, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, holders });
  image.metadata.set(HOLDER_KEY, text);
}

const clientsNow = () => parseHolderRecord(image.metadata.get(HOLDER_KEY), 'v')?.holders.map(({ clients }) => clients);

beforeEach(async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-reattach-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const journal = new Journal(directory);
  await journal.open();
  const user = `{ id: berth, keyFile: ${path.dirname(cluster.clustersFile)}/key }`;
  const users = `{ controller: ${user}, node: ${user} }`;
  const clusters = `clusters: [{ id: c1, monitors: ['127.0.0.1:3300'], pools: [{ name: rbd }], users: ${users} }]`;
  await writeFile(cluster.clustersFile, clusters);
  const { volume } = await createVolume(createParts(cluster), creation('v'), soon());
  image = cluster.image('berth-v')!;
  const location = { fsid: 'f', pool: 'rbd', namespace: '', image: 'berth-v' };
  const mapping = { mapper: 'nbd', device: '/dev/nbd0', readOnly: false, location } as const;
  map.mockReset().mockImplementation(() => {
    image.watchers = [NEW];
    return Promise.resolve(mapping);
  });
  cutOff.mockClear();
  const mapper = {
    name: 'nbd',
    find: () => Promise.resolve(mapping),
    whyUnserved: () => Promise.resolve('it died'),
    map,
  };
  const all = [{ ...mapper, cutOff } as unknown as Mapper];
  const choose = () => Promise.reject(new Error('nothing is chosen'));
  const thisNode = { self: nodeNamed('node-a'), bootId: 'b1' };
  const holderRecords = new NodeHolderRecords({ ...parts, ...thisNode, records: parts.holderRecords });
  const own = { ...thisNode, journal, mappers: new Mappers({ all, choose, journal }), holderRecords };
  node = { ...parts, ...own } as unknown as ReattachParts;
  entry = {
    ...{ version: 1, volume, fsid: 'f', stagingPath: directory, state: 'staged', mapper: 'nbd' },
    ...{ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, flagsDigest: '', holdsRecord: false },
    ...{ targets: {}, since: '2026-01-01T00:00:00.000Z' },
    mapping: { mapper: 'nbd', device: '/dev/nbd0', readOnly: false, clients: [OLD.address] },
  };
  await journal.write(entry);
});

it('records the new client, in the image and in the journal, so that a fence is aimed at it', async () => {
  record({});
  expect(await reattachEntry(node, entry, soon())).toBe('done');
  expect(clientsNow()).toEqual([[{ address: NEW.address, client: 'client.12' }]]);
  expect((await node.journal.read(entry.volume))?.mapping?.clients).toEqual([NEW.address]);
});

it.each<[string, Partial<Holder> | undefined]>([
  ['names another node', undefined],
  ['was granted anew', { state: 'granted' }],
  ['says that it was released', { state: 'released' }],
])('lets nothing out where the record %s', async (_what, mine) => {
  record(mine);
  expect(await reattachEntry(node, entry, soon())).toBe('changed');
  expect(map).not.toHaveBeenCalled();
});

it('lets nothing out where the record is of another boot', async () => {
  record({ bootId: 'b0' });
  await expect(reattachEntry(node, entry, soon())).rejects.toMatchObject({ code: 'BERTH_RECORD_LOST' });
  expect(map).not.toHaveBeenCalled();
});

it('is cut off where the record was lost in the meantime', async () => {
  record({});
  map.mockImplementation(() => {
    record(undefined);
    return Promise.resolve({ mapper: 'nbd', device: '/dev/nbd0', readOnly: false });
  });
  await expect(reattachEntry(node, entry, soon())).rejects.toMatchObject({ code: 'BERTH_RECORD_LOST' });
  expect(cutOff).toHaveBeenCalledOnce();
});
