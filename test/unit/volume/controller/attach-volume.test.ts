/**
 * ControllerPublish and ControllerUnpublish: the record is the attachment, and it is given up only when that is proven
 * safe.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY, parseHolderRecord } from '../../../../src/attachment/holder-record.js';
import type { Capability } from '../../../../src/model/capability.js';
import { attachVolume, type AttachParts } from '../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { detachVolume } from '../../../../src/volume/controller/detach/detach-volume.js';
import { memoryCluster, creation, mounted, noSecrets, place, raw, soon } from './memory-cluster.js';
import { attachParts, createParts, detachParts } from './use-case-parts.js';
import { nodeNamed } from '../../../fakes/node-named.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof detachParts>;
beforeEach(() => {
  parts = detachParts(cluster);
});
const volume = 'c1/rbd/berth-v';
const shared: Capability = { mode: 'MULTI_NODE_READER_ONLY', access: mounted.access };

beforeEach(async () => {
  await createVolume(createParts(cluster), creation('v'), soon());
  for (const node of ['a', 'b']) {
    const more = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
    await parts.nodes.register(place(), { node, ...more }, soon());
  }
});

const attach = (node: string, capability = mounted, at = volume, controller: AttachParts = parts) =>
  attachVolume(controller, { volume: at, node, capability, readOnly: false, secrets: noSecrets }, soon());
const detach = (node: string, at = volume) => detachVolume(parts, { volume: at, node, secrets: noSecrets }, soon());
const holders = (): string[] =>
  parseHolderRecord(cluster.image('berth-v')!.metadata.get(HOLDER_KEY), 'v')?.holders.map((one) => one.node) ?? [];
const open = (): void => void cluster.image('berth-v')!.watchers.push({ address: '10.0.0.1:0/5', client: 5n });

describe('attaching', () => {
  it('writes the holder and is a success again', async () => {
    await attach('a');
    await attach('a');
    expect(holders()).toEqual(['a']);
  });

  it('to a second node is refused and names the first', async () => {
    await attach('a');
    await expect(attach('b')).rejects.toThrow(
      /BERTH_VOLUME_HELD: volume c1\/rbd\/berth-v is attached to node a since 2026/,
    );
  });

  it('of a volume for many readers to fifty nodes at once refuses none, and so does their detach', async () => {
    const many = Array.from({ length: 50 }, (_, n) => `n${n}`);
    const more = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
    for (const node of many) await parts.nodes.register(place(), { node, ...more }, soon());
    await Promise.all(many.map((node) => attach(node, shared)));
    expect(holders().sort()).toEqual(many.sort());
    const leaving = many.map((node) => detach(node));
    await Promise.all([...leaving, attach('a', shared)]);
    expect(holders()).toEqual(['a']);
  });

  it('to one node does not begin while that node is detached, or all of them are', async () => {
    await attach('a', shared);
    for (const from of ['a', '']) {
      const leaving = detach(from);
      await expect(attach('a', shared)).rejects.toMatchObject({ code: 'BERTH_BUSY', status: 'ABORTED' });
      await leaving;
      expect(holders()).toEqual([]);
      await attach('a', shared);
    }
  });

  it('to two nodes at once gives it to one of them', async () => {
    const both = await Promise.allSettled([attach('a'), attach('b')]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(holders()).toHaveLength(1);
  });

  it('at two controllers at once gives it to one node', async () => {
    const both = await Promise.allSettled([attach('a'), attach('b', mounted, volume, attachParts(cluster))]);
    expect(both.find((one) => one.status === 'rejected')).toMatchObject({ reason: { code: 'BERTH_VOLUME_HELD' } });
    expect(holders()).toHaveLength(1);
  });

  it.each<[string, string, string, string]>([
    ['an unknown node', 'c', volume, 'BERTH_NODE_NOT_FOUND'],
    ['an unknown volume', 'a', 'c1/rbd/berth-w', 'BERTH_VOLUME_NOT_FOUND'],
    ['a malformed handle', 'a', 'w', 'BERTH_VOLUME_NOT_FOUND'],
    ['an unknown cluster', 'a', 'c9/rbd/berth-v', 'BERTH_VOLUME_NOT_FOUND'],
  ])('of %s is refused', async (_what, node, at, code) => {
    await expect(attach(node, mounted, at)).rejects.toMatchObject({ code, status: 'NOT_FOUND' });
    expect(holders()).toEqual([]);
  });

  it('in a way that RBD cannot honour is refused before anything is asked', async () => {
    cluster.rbd.calls.length = 0;
    const writers: Capability = { mode: 'MULTI_NODE_MULTI_WRITER', access: mounted.access };
    await expect(attach('a', writers)).rejects.toMatchObject({ code: 'BERTH_CAPABILITY_UNSUPPORTED' });
    expect(cluster.rbd.calls).toEqual([]);
  });

  it('in another way on the same node is refused', async () => {
    await attach('a');
    await expect(attach('a', raw)).rejects.toMatchObject({
      code: 'BERTH_PUBLISHED_OTHERWISE',
      status: 'ALREADY_EXISTS',
    });
  });

  const calls = async (node: string, capability = mounted): Promise<readonly string[]> => {
    // Where that is, is asked once in the life of a process.
    await cluster.clusters.registry('c1', 'controller', soon());
    cluster.rbd.calls.length = 0;
    await attach(node, capability);
    return cluster.rbd.calls.map((one) => one.operation);
  };

  it('takes three small calls and, for a new writer, a fourth, which opens no image that nobody has', async () => {
    expect(await calls('a')).toEqual(['head', 'getRecords', 'identify', 'watchersById', 'compareAndSet']);
    expect(await calls('a')).toEqual(['head', 'getRecords']);
  });

  it('for reading asks nobody who has the image open: a reader does no harm', async () => {
    open();
    expect(await calls('a', shared)).toEqual(['head', 'getRecords', 'compareAndSet']);
  });
});

describe('attaching while a client has the image open', () => {
  const inUse = { code: 'BERTH_VOLUME_IN_USE', status: 'FAILED_PRECONDITION' };
  const watching = (...watchers: { address: string; client: bigint }[]): void => {
    cluster.image('berth-v')!.watchers = watchers;
  };

  it('whom no record explains is refused by its address, and succeeds when it has gone', async () => {
    open();
    await expect(attach('a')).rejects.toMatchObject(inUse);
    await expect(attach('a')).rejects.toThrow(/in use by client\.5 at 10\.0\.0\.1:0\/5, which no holder record/);
    expect(holders()).toEqual([]);
    watching();
    await attach('a');
    expect(holders()).toEqual(['a']);
  });

  it('names the node that has registered such a client, of whatever installation', async () => {
    open();
    const there = {
      version: 1,
      node: 'worker-7',
      bootId: 'b',
      driver: '0',
      mappers: [],
      seen: new Date().toISOString(),
    } as const;
    await parts.nodes.register(place(), { ...there, clients: ['10.0.0.1:0/5'] }, soon());
    await expect(attach('a')).rejects.toThrow(/client\.5 at 10\.0\.0\.1:0\/5 \(node worker-7\), which no holder/);
    cluster.rbd.failNext('listRecords', () => new Error('not now'));
    await expect(attach('a')).rejects.toThrow(/client\.5 at 10\.0\.0\.1:0\/5, which no holder/);
  });

  it('for a moment only, as a resize does, waits for it', async () => {
    open();
    setTimeout(() => watching(), 100);
    await attach('a');
  });

  it('is no matter where that is the controller itself, or the node that holds it already', async () => {
    watching({ address: cluster.rbd.instance, client: 1n });
    await attach('a');
    watching({ address: '10.0.0.9:0/9', client: 9n });
    await attach('a');
    expect(holders()).toEqual(['a']);
  });

  it('is no matter where that is the controller, which gives the volume data of its own', async () => {
    const address = '10.0.0.2:0/2';
    const isAt = vi.fn(() => false);
    const identify = () => Promise.resolve({ fsid: cluster.rbd.fsid, instance: address });
    const flattening = { ...parts, longWork: { identify }, flattens: { isAt } };
    watching({ address, client: 2n });
    await expect(attach('a', mounted, volume, flattening)).rejects.toMatchObject(inUse);
    isAt.mockReturnValue(true);
    await attach('a', mounted, volume, flattening);
    expect(isAt).toHaveBeenCalledWith('c1', { pool: 'rbd', namespace: '', imageId: cluster.image('berth-v')!.id });
    expect(holders()).toEqual(['a']);
  });

  it('and another node holds it names that node', async () => {
    await attach('a');
    open();
    await expect(attach('b')).rejects.toMatchObject({ code: 'BERTH_VOLUME_HELD' });
  });

  it('is explained by another node of many that writes beside it, as soon as its record says so', async () => {
    const many: Capability = { mode: 'MULTI_NODE_MULTI_WRITER', access: raw.access };
    await attach('a', many);
    open();
    await expect(attach('b', many)).rejects.toMatchObject(inUse);
    const image = cluster.image('berth-v')!;
    const record = parseHolderRecord(image.metadata.get(HOLDER_KEY), 'v')!;
    const state = (state: string, more = {}) =>
      image.metadata.set(
        HOLDER_KEY,
        JSON.stringify({ ...record, holders: [{ ...record.holders[0], state, ...more }] }),
      );
    state('released');
    await expect(attach('b', many)).rejects.toMatchObject(inUse);
    state('staged', { clients: [{ address: '10.0.0.1:0/6', client: 'client.6' }] });
    await expect(attach('b', many)).rejects.toMatchObject(inUse);
    setTimeout(() => state('staged', { clients: [{ address: '10.0.0.1:0/5', client: 'client.5' }] }), 100);
    await attach('b', many);
    expect(holders()).toEqual(['a', 'b']);
  });
});

describe('detaching', () => {
  it('gives the volume to the next', async () => {
    await attach('a');
    await detach('a');
    await detach('a');
    await attach('b');
    expect(holders()).toEqual(['b']);
  });

  it('while the image is still open keeps the holder and says where', async () => {
    await attach('a');
    open();
    for (const node of ['a', '']) {
      await expect(detach(node)).rejects.toMatchObject({ code: 'BERTH_DETACH_UNPROVEN', status: 'ABORTED' });
      await expect(detach(node)).rejects.toThrow(
        /stays attached to node a: the image is open at client\.5 at 10\.0\.0\.1:0\/5/,
      );
    }
    await expect(attach('b')).rejects.toMatchObject({ code: 'BERTH_VOLUME_HELD' });
    cluster.image('berth-v')!.watchers.length = 0;
    await detach('a');
    expect(holders()).toEqual([]);
  });

  it('of a node that does not hold it is a success, whoever has it open', async () => {
    await attach('a');
    open();
    await detach('b');
    expect(holders()).toEqual(['a']);
  });

  /** Node b has it open; node a was only granted it. */
  const stagedAtB = async (): Promise<void> => {
    await attach('a', shared);
    await attach('b', shared);
    open();
    const at = cluster.at('berth-v');
    const way = { mode: shared.mode, access: 'mount', readOnly: true, by: 'node' } as const;
    const asked = { volume, node: nodeNamed('b'), ...way };
    const head = (await cluster.rbd.head(at, soon()))!;
    const held = await parts.holderRecords.takeForNode(
      at,
      head,
      { ...asked, bootId: 'b', right: { by: 'node' } },
      soon(),
    );
    const clients = [{ address: '10.0.0.1:0/5', client: 'client.5' }];
    await parts.holderRecords.recordStaged(at, held, { volume, node: nodeNamed('b'), bootId: 'b', clients }, soon());
  };

  it('of one of several holders leaves the others, and of all leaves none', async () => {
    await stagedAtB();
    await detach('a');
    expect(holders()).toEqual(['b']);
    await attach('a', shared);
    await expect(detach('')).rejects.toMatchObject({ code: 'BERTH_DETACH_UNPROVEN' });
    expect(holders()).toEqual(['b']);
    cluster.image('berth-v')!.watchers.length = 0;
    const at = cluster.at('berth-v');
    await parts.holderRecords.release(at, (await cluster.rbd.head(at, soon()))!, volume, nodeNamed('b'), soon());
    await detach('');
    expect(holders()).toEqual([]);
  });

  it('of the last of several holders waits until the image is closed', async () => {
    await stagedAtB();
    await detach('a');
    await expect(detach('b')).rejects.toMatchObject({ code: 'BERTH_DETACH_UNPROVEN' });
    expect(holders()).toEqual(['b']);
  });

  it('of what is gone is a success', async () => {
    await cluster.rbd.remove(cluster.at('berth-v'), soon());
    await detach('a');
    await detach('a', 'fake-vol-id');
  });

  it('of a place that the clusters file lost is no success: nobody has looked', async () => {
    await expect(detach('a', 'c2/rbd/berth-v')).rejects.toMatchObject({ code: 'BERTH_CLUSTER_UNKNOWN' });
  });

  it('of a volume whose holder cannot be read is refused', async () => {
    cluster.image('berth-v')!.metadata.set(HOLDER_KEY, '{"version":3}');
    await expect(detach('')).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
  });
});
