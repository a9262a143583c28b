/** Fences as they are written down, kept up and left to lapse, and what a controller that failed half way leaves. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FENCES_METRIC, FenceKeeper } from '../../../src/attachment/fence-keeper.js';
import { whyDone, type Fence } from '../../../src/attachment/fence-record.js';
import { FENCE_S, Fences, FENCES_OBJECT } from '../../../src/attachment/fences.js';
import type { NodeRegistration } from '../../../src/attachment/node-registry.js';
import type { Holder } from '../../../src/attachment/holder-record.js';
import { memoryCluster, place, soon } from '../volume/controller/memory-cluster.js';
import { detachParts } from '../volume/controller/use-case-parts.js';
import { counted } from '../../fakes/counted.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof detachParts>;
beforeEach(() => {
  parts = detachParts(cluster);
});
const CLIENT = { address: '10.0.0.1:0/42', client: 'client.42' };
const holder: Holder = { node: 'a', since: '', by: 'controller', state: 'staged', bootId: 'boot-1', clients: [CLIENT] };
const request = {
  volume: 'c1/rbd/berth-v',
  holder,
  clients: [CLIENT],
  evidence: 'a test',
  heard: '2026-01-01T00:00:00Z',
};
const DAY_MS = 86_400_000;

let fences: Fences;
let keeper: FenceKeeper;
beforeEach(() => {
  fences = new Fences(cluster.rbd);
  keeper = new FenceKeeper({ ...parts, fences, now: () => new Date() });
});
const standing = async () => [...(await fences.standing(place(), [CLIENT.address], soon())).keys()];
const changed = () => cluster.rbd.calls.filter(({ operation }) => operation.endsWith('blocklist')).length;

describe('a fence', () => {
  it('stands once the cluster has it, and is found by any controller', async () => {
    await fences.fence(place(), request, soon());
    expect(await standing()).toEqual([CLIENT.address]);
    expect(cluster.rbd.blocked.get(CLIENT.address)! - Date.now()).toBeGreaterThan((FENCE_S - 60) * 1000);
    expect(await fences.all(place(), soon())).toMatchObject([{ instance: CLIENT.address, node: 'a', made: true }]);
  });

  it('that could not be made is an intent: it proves nothing, and nobody makes it later', async () => {
    cluster.rbd.rightsMissing = ['add'];
    await expect(fences.fence(place(), request, soon())).rejects.toMatchObject({ code: 'BERTH_CEPH_DENIED' });
    cluster.rbd.rightsMissing = [];
    expect(await standing()).toEqual([]);
    await keeper.round();
    expect(cluster.rbd.blocked.size).toBe(0);
  });

  it('made by somebody else alone proves nothing', async () => {
    await cluster.rbd.blocklist(place().access, CLIENT.address, 3600, soon());
    expect(await standing()).toEqual([]);
  });

  it('that somebody else made for an hour is made to last', async () => {
    await cluster.rbd.blocklist(place().access, CLIENT.address, 3600, soon());
    await fences.fence(place(), request, soon());
    expect(cluster.rbd.blocked.get(CLIENT.address)! - Date.now()).toBeGreaterThan(29 * DAY_MS);
  });
});

describe('the keeper of fences', () => {
  it('touches nothing while a fence lasts, and renews it with ten days left', async () => {
    await fences.fence(place(), request, soon());
    const before = changed();
    await keeper.round();
    expect(changed()).toBe(before);
    cluster.rbd.blocked.set(CLIENT.address, Date.now() + 9 * DAY_MS);
    await keeper.round();
    expect(cluster.rbd.blocked.get(CLIENT.address)! - Date.now()).toBeGreaterThan(364 * DAY_MS);
    expect(await counted(parts.counters, FENCES_METRIC, { what: 'renewed' })).toBe(1);
    expect(await parts.counters.text()).toContain(`${FENCES_METRIC}{what="renewed"} 1`);
  });

  it('leaves what it cannot read to whoever wrote it', async () => {
    const entries = new Map([
      ['x', '{"version":2,"instance":"x"}'],
      ['y', 'no JSON'],
    ]);
    await cluster.rbd.setRecords(place(), FENCES_OBJECT, entries, soon());
    await keeper.round();
    expect([...(await cluster.rbd.listRecords(place(), FENCES_OBJECT, '', 9, soon())).keys()]).toEqual(['x', 'y']);
  });

  const back = { version: 1, node: 'a', bootId: 'boot-2', driver: '0', mappers: [] } as const;
  const listed = () => fences.all(place(), soon());

  it('lets nobody in again: what is not needed any more lapses by itself, and people are told once', async () => {
    await fences.fence(place(), request, soon());
    const until = cluster.rbd.blocked.get(CLIENT.address)!;
    await parts.nodes.register(place(), { ...back, seen: '2026-01-01T00:05:00Z' }, soon());
    await keeper.round();
    await keeper.round();
    expect(cluster.rbd.blocked.get(CLIENT.address)).toBe(until);
    const why = expect.stringContaining('boot-2') as string;
    expect(await listed()).toMatchObject([{ made: true, done: { why, at: expect.any(String) as string } }]);
    expect(parts.announced).toMatchObject([{ reason: 'NodeUnfenced', kind: 'Normal' }]);
    expect(parts.announced[0]!.message).toContain(new Date(until).toISOString());

    cluster.rbd.blocked.set(CLIENT.address, Date.now() + DAY_MS);
    const before = changed();
    await keeper.round();
    expect(changed(), 'not renewed').toBe(before);
    cluster.rbd.blocked.delete(CLIENT.address);
    await keeper.round();
    expect(await listed()).toEqual([]);
    expect(changed()).toBe(before);
    expect(parts.announced).toHaveLength(1);
  });

  it('looks after the others where one cannot be renewed', async () => {
    const OTHER = { address: '10.0.0.1:0/43', client: 'client.43' };
    const other = { ...holder, node: 'b', clients: [OTHER] };
    await fences.fence(place(), request, soon());
    await fences.fence(place(), { ...request, holder: other, clients: [OTHER] }, soon());
    cluster.rbd.blocked.set(CLIENT.address, Date.now() + DAY_MS);
    cluster.rbd.rightsMissing = ['rm'];
    await parts.nodes.register(place(), { ...back, node: 'b', seen: '2026-01-01T00:05:00Z' }, soon());
    await keeper.round();
    expect(await listed()).toMatchObject([
      { instance: CLIENT.address, made: true },
      { instance: OTHER.address, done: {} },
    ]);
  });

  it('does not take for done what was needed anew meanwhile', async () => {
    await fences.fence(place(), request, soon());
    const [stale] = await listed();
    await fences.fence(place(), { ...request, volume: 'c1/rbd/berth-w' }, soon());
    expect(await fences.leaveToLapse(place(), stale!, 'a test', soon())).toBe(false);
    expect(await fences.forget(place(), stale!, soon())).toBe(false);
    expect((await listed())[0]?.done).toBeUndefined();
  });
});

describe('a second volume of a client that is fenced', () => {
  const second = { ...request, volume: 'c1/rbd/berth-w', evidence: 'another', heard: '2025-12-31T00:00:00Z' };

  it('does not undo what the first relies on, at any moment, whatever fails', async () => {
    await fences.fence(place(), request, soon());
    for (const failing of ['blocklisted', 'compareAndSetRecord'] as const) {
      cluster.rbd.failNext(failing, () => new Error('failed'));
      await expect(fences.fence(place(), second, soon())).rejects.toThrow('failed');
      expect(await standing()).toEqual([CLIENT.address]);
    }
    const seen: boolean[] = [];
    const port = Object.assign(Object.create(cluster.rbd) as typeof cluster.rbd, {
      blocklisted: async (...given: Parameters<typeof cluster.rbd.blocklisted>) => {
        const [fence] = await new Fences(cluster.rbd).all(place(), soon());
        seen.push(fence!.made);
        return cluster.rbd.blocklisted(...given);
      },
    });
    await new Fences(port).fence(place(), second, soon());
    expect(seen).toEqual([true, true]);
  });

  it('is written down beside the first, and the latest word of the node counts for both', async () => {
    await fences.fence(place(), request, soon());
    await fences.fence(place(), second, soon());
    await fences.fence(place(), second, soon());
    const [fence] = await fences.all(place(), soon());
    const { volume, evidence } = request;
    expect(fence).toMatchObject({ volume: second.volume, evidence: 'another', heard: request.heard, made: true });
    expect(fence!.also).toMatchObject([{ volume, evidence }]);
  });

  it('of two controllers at once, both stand', async () => {
    const volumes = ['v', 'w', 'x', 'y'];
    await Promise.all(volumes.map((volume) => new Fences(cluster.rbd).fence(place(), { ...request, volume }, soon())));
    const [fence] = await fences.all(place(), soon());
    const known = [fence!.volume, ...fence!.also!.map((one) => one.volume)];
    expect(known.sort()).toEqual(volumes);
    expect(fence!.made).toBe(true);
  });

  it('needs the fence again that was left to lapse', async () => {
    await fences.fence(place(), request, soon());
    const [fence] = await fences.all(place(), soon());
    await fences.leaveToLapse(place(), fence!, 'a test', soon());
    expect(await standing(), 'nobody looks after it').toEqual([]);
    const before = changed();
    await fences.fence(place(), second, soon());
    expect(changed(), 'it lasts long enough').toBe(before);
    expect(await standing()).toEqual([CLIENT.address]);
  });

  it('is an intent of its own where the first was done with and has lapsed', async () => {
    await fences.fence(place(), request, soon());
    const [fence] = await fences.all(place(), soon());
    await fences.leaveToLapse(place(), fence!, 'a test', soon());
    cluster.rbd.blocked.clear();
    cluster.rbd.rightsMissing = ['add'];
    await expect(fences.fence(place(), second, soon())).rejects.toMatchObject({ code: 'BERTH_CEPH_DENIED' });
    expect((await fences.all(place(), soon()))[0]).toMatchObject({ made: false });
  });
});

it('a record as the release before wrote it is read, and left to lapse', async () => {
  const { address, client } = CLIENT;
  const old = {
    ...{ version: 1, instance: address, client, node: 'a', bootId: 'boot-1', volume: request.volume },
    ...{ since: '2026-01-01T00:00:00Z', heard: '2026-01-01T00:00:00Z', evidence: 'before', made: true },
  };
  await cluster.rbd.setRecords(place(), FENCES_OBJECT, new Map([[address, JSON.stringify(old)]]), soon());
  await cluster.rbd.blocklist(place().access, address, FENCE_S, soon());
  expect(await standing()).toEqual([address]);
  await fences.fence(place(), { ...request, volume: 'c1/rbd/berth-w' }, soon());
  expect(await fences.all(place(), soon())).toMatchObject([{ made: true, also: [{ volume: request.volume }] }]);
});

it('a registration that was looked up before the stage, and is written after the fence, says nothing', async () => {
  const staged = { ...request, holder: { ...holder, at: '2026-01-01T00:03:00Z' } };
  await fences.fence(place(), staged, soon());
  const late = { version: 1, node: 'a', bootId: 'boot-1', driver: '0', mappers: [], clients: [] } as const;
  await parts.nodes.register(place(), { ...late, seen: '2026-01-01T00:02:59Z' }, soon());
  await keeper.round();
  expect(await standing()).toEqual([CLIENT.address]);
  await parts.nodes.register(place(), { ...late, seen: '2026-01-01T00:03:01Z' }, soon());
  await keeper.round();
  expect(await standing()).toEqual([]);
  expect(cluster.rbd.blocked.has(CLIENT.address)).toBe(true);
});

describe('a fence has done its work', () => {
  const fence: Fence = {
    ...{ version: 1, instance: CLIENT.address, client: CLIENT.client, node: 'a', bootId: 'boot-1', volume: 'v' },
    ...{ since: '2026-01-01T00:02:00Z', heard: '2026-01-01T00:00:00Z', evidence: '', made: true },
  };
  const said = (more: Partial<NodeRegistration>): NodeRegistration => ({
    ...{ version: 1, node: 'a', bootId: 'boot-1', driver: '0', mappers: [], seen: '2026-01-01T00:01:00Z' },
    ...more,
  });

  it.each<[string, NodeRegistration | undefined, boolean]>([
    ['not by a node that says nothing', undefined, false],
    ['not by what the node said before', said({ bootId: 'boot-2', seen: '2026-01-01T00:00:00Z' }), false],
    ['by another boot', said({ bootId: 'boot-2' }), true],
    ['by a list of clients without it', said({ clients: ['10.0.0.1:0/43'] }), true],
    ['not by a list of clients with it', said({ clients: [CLIENT.address] }), false],
    ['not by a node that cannot tell its clients', said({}), false],
  ])('%s', (_what, registration, done) => {
    expect(whyDone(fence, registration) !== undefined).toBe(done);
  });
});

it('a thousand fences of a lost zone: sixteen at a time, all renewed in a round, left when it is back', async () => {
  const all = Array.from({ length: 1_000 }, (_, n) => ({
    ...{ version: 1, volume: `c1/rbd/v${n}`, since: '2026-01-01T00:00:00Z', evidence: 'a test', made: true },
    ...{ node: `n${n}`, bootId: 'boot-1', instance: `10.0.0.1:0/${n}`, client: `client.${n}` },
  })) as unknown as Fence[];
  let [running, most] = [0, 0];
  const counted = new Map<string, number>();
  const work = (what: string) => async (): Promise<true> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    counted.set(what, (counted.get(what) ?? 0) + 1);
    return true;
  };
  let isBack = false;
  const registration = { node: 'n', bootId: 'boot-2', seen: '2026-01-02T00:00:00Z' } as unknown as NodeRegistration;
  const many = {
    ...parts,
    fences: {
      all: () => Promise.resolve(all),
      blocked: () => Promise.resolve(new Map<string, number>()),
      renew: work('renewed'),
      leaveToLapse: work('left'),
      forget: work('forgotten'),
    },
    nodes: {
      find: () => Promise.resolve(isBack ? { registration } : {}),
      forgetDead: () => Promise.resolve(0),
    },
    announce: () => undefined,
    now: () => new Date(),
  } as unknown as ConstructorParameters<typeof FenceKeeper>[0];
  const each = new FenceKeeper(many);
  await each.round();
  isBack = true;
  await each.round();
  expect(Object.fromEntries(counted)).toEqual({ renewed: 1_000, left: 1_000 });
  expect(most).toBe(16);
});
