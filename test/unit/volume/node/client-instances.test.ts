/** Nobody else may have an image open that a node maps for writing: before the map, and after it. */
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { HOLDER_KEY, type ClientInstance, type Holder } from '../../../../src/attachment/holder-record.js';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import type { Mapper, Mapping } from '../../../../src/rbd/mapping/mapper.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { mustFindVolume, type FoundVolume } from '../../../../src/volume/image/find-volume.js';
import { clientsOf, presentUse, refuseStrangersBefore } from '../../../../src/volume/node/client-instances.js';
import type { MemoryImage } from '../../../fakes/rbd-memory.js';
import { memoryCluster, creation, noSecrets, soon } from '../controller/memory-cluster.js';
import { createParts, log } from '../controller/use-case-parts.js';
import { nodeNamed } from '../../../fakes/node-named.js';

const [OURS, FOREIGN] = [1, 66];
const cluster = memoryCluster();
const watcher = (number: number) => ({ address: `10.0.0.1:0/${number}`, client: BigInt(number) });
const client = (number: number): ClientInstance => ({ address: `10.0.0.1:0/${number}`, client: `client.${number}` });
const inUse = { code: 'BERTH_VOLUME_IN_USE' };

let image: MemoryImage;
/** What the kernel has mapped already, and by which client. */
let present: { mapping: Mapping; client: ClientInstance | undefined; died?: string } | undefined;
const mapping = (readOnly = false, mapper: Mapping['mapper'] = 'nbd'): Mapping => ({
  ...{ mapper, device: '/dev/nbd0', readOnly },
  location: { fsid: 'f', pool: 'rbd', namespace: '', image: 'berth-v' },
});
const librbd = { name: 'nbd', whyUnserved: () => Promise.resolve(present?.died) } as unknown as Mapper;
const kernel = { name: 'krbd', clientOf: () => Promise.resolve(present?.client) } as unknown as Mapper;
const watching = (...numbers: number[]): void => {
  image.watchers = numbers.map(watcher);
};
function record(...holders: Partial<Holder>[]): void {
  const all = holders.map((one) => ({ node: 'node-a', since: 'x', by: 'controller', ...one }));
  const shape = { version: 1, mode: 'MULTI_NODE_MULTI_WRITER', access: 'block', readOnly: false };
  image.metadata.set(HOLDER_KEY, JSON.stringify({ ...shape, holders: all }));
}

let shutOut: () => Promise<void>;

beforeEach(async () => {
  present = undefined;
  shutOut = () => Promise.resolve();
  await createVolume(createParts(cluster), creation('v'), soon());
  image = cluster.image('berth-v')!;
});

const find = (): Promise<FoundVolume> => mustFindVolume(cluster, 'c1/rbd/berth-v', 'controller', noSecrets, soon());
const parts = (mapper: Mapper) => {
  const mappers = { named: () => mapper, mappingOf: () => Promise.resolve(present?.mapping) };
  const formerClients = { shutOut: () => shutOut() };
  return { rbd: cluster.rbd, clusters: cluster.clusters, self: nodeNamed('node-a'), mappers, formerClients, log };
};
async function before(mapper: Mapper, more: { entry?: Partial<JournalEntry>; isOfNoUse?: boolean } = {}) {
  const found = await find();
  const entry = more.entry && ({ mapper: mapper.name, ...more.entry } as JournalEntry);
  const { instance } = await cluster.rbd.identify(found.at.access, soon());
  const question = { found, fsid: 'f', instance, mapper, before: entry, isOfNoUse: more.isOfNoUse === true };
  const use = await presentUse(parts(mapper), question, soon());
  return refuseStrangersBefore(parts(mapper), mapper, { found, secrets: noSecrets, ...use }, soon());
}
/** Map, with these watchers then. */
async function map(mapper: Mapper, opened: Awaited<ReturnType<typeof before>>, ...numbers: number[]) {
  watching(...numbers);
  present ??= { mapping: mapping(false, mapper.name), client: client(OURS) };
  return clientsOf(parts(mapper), present.mapping, { found: await find(), before: opened }, soon());
}

describe.each([
  ['the kernel’s client', kernel],
  ['a client of librbd', librbd],
])('before and after a map by %s', (_what, mapper) => {
  it('a stranger is refused by address, at whichever moment it comes', async () => {
    watching(FOREIGN);
    await expect(before(mapper)).rejects.toMatchObject(inUse);
    await expect(before(mapper)).rejects.toThrow(/client\.66 at 10\.0\.0\.1:0\/66, which no holder record explains/);
    watching();
    const opened = await before(mapper);
    await expect(map(mapper, opened, OURS, FOREIGN)).rejects.toMatchObject(inUse);
  });

  it('a client of an earlier life is looked for once more after it was shut out, however long that took', async () => {
    watching(FOREIGN);
    let wait = 0;
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + wait);
    onTestFinished(() => clock.mockRestore());
    shutOut = () => {
      wait = 2_000;
      watching();
      return Promise.resolve();
    };
    expect(await map(mapper, await before(mapper), OURS)).toEqual([client(OURS)]);
  });

  it('alone is right, and the client is told', async () => {
    expect(await map(mapper, await before(mapper), OURS)).toEqual([client(OURS)]);
  });

  it('other nodes of many explain their own, also what they map meanwhile', async () => {
    record({ state: 'granted' }, { node: 'node-b', state: 'staged', clients: [client(7)] });
    watching(7);
    const opened = await before(mapper);
    expect(await map(mapper, opened, 7, OURS)).toEqual([client(OURS)]);
    present = undefined;
    watching(7, 8);
    await expect(before(mapper)).rejects.toMatchObject(inUse);
    record({ state: 'staging' }, { node: 'node-b', state: 'granted' });
    watching();
    const second = await before(mapper);
    const found = await find();
    record({ state: 'staging' }, { node: 'node-b', state: 'staging' });
    watching(OURS, 8);
    expect(await second.listAgain?.(found, undefined, soon())).toHaveLength(2);
  });

  it('what an earlier life of the plugin mapped is no stranger, recorded or not', async () => {
    present = { mapping: mapping(false, mapper.name), client: client(OURS) };
    watching(OURS);
    expect(await map(mapper, await before(mapper), OURS)).toEqual([client(OURS)]);
    record({ state: 'staging', clients: [client(OURS)] });
    const recorded = await before(mapper);
    expect(await map(mapper, recorded, OURS)).toEqual([client(OURS)]);
    await expect(map(mapper, recorded, OURS, FOREIGN)).rejects.toMatchObject(inUse);
    watching(OURS, FOREIGN);
    await expect(before(mapper)).rejects.toMatchObject(inUse);
  });

  it('a client of an earlier boot that Ceph has not forgotten is explained by the record', async () => {
    record({ state: 'staged', bootId: 'before', clients: [client(5)] });
    watching(5);
    const opened = await before(mapper);
    // A stage takes the record anew, without what ended with that boot.
    record({ state: 'staging', bootId: 'now' });
    expect(await map(mapper, opened, 5, OURS)).toEqual([client(OURS)]);
  });

  it('a client whose daemon died is explained after it was unstaged, until Ceph has forgotten it', async () => {
    record({ state: 'released', clients: [client(5)] });
    watching(5);
    const opened = await before(mapper);
    record({ state: 'staging' });
    expect(await map(mapper, opened, 5, OURS)).toEqual([client(OURS)]);
  });

  it('a client that the journal alone names is explained', async () => {
    watching(5);
    const journalled = { mapper: mapper.name, device: '/dev/nbd0', readOnly: false, clients: [client(5).address] };
    expect((await before(mapper, { entry: { mapping: journalled } })).watchers).toHaveLength(1);
  });
});

describe('before and after a map by a client of librbd', () => {
  it('a new daemon comes beside the client of the one that died', async () => {
    present = { mapping: mapping(), client: undefined, died: 'killed' };
    record({ state: 'staging', clients: [client(5)] });
    watching(5);
    const opened = await before(librbd);
    expect(await map(librbd, opened, 5, OURS)).toEqual([client(OURS)]);
    await expect(map(librbd, opened, 5, OURS, FOREIGN)).rejects.toMatchObject(inUse);
  });

  it('a mapping that is unmapped first may be replaced by one client', async () => {
    present = { mapping: mapping(), client: undefined };
    record({ state: 'staging', clients: [client(5)] });
    watching(5);
    const opened = await before(librbd, { isOfNoUse: true });
    expect(await map(librbd, opened, OURS)).toEqual([client(OURS)]);
  });

  it('a mapping for reading explains nobody, for it does not watch', async () => {
    present = { mapping: mapping(true), client: undefined };
    watching(FOREIGN);
    await expect(before(librbd)).rejects.toMatchObject(inUse);
  });
});
