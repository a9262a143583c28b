/** Fences as they are written down, kept up and lifted, and what a controller that failed half way leaves. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FENCES_METRIC, FenceKeeper } from '../../../src/attachment/fence-keeper.js';
import { FENCE_S, Fences, FENCES_OBJECT, whyLift, type Fence } from '../../../src/attachment/fences.js';
import type { NodeRegistration } from '../../../src/attachment/node-registry.js';
import type { Holder } from '../../../src/attachment/holder-record.js';
import { memoryCluster, place, soon } from '../volume/controller/memory-cluster.js';
import { detachParts } from '../volume/controller/use-case-parts.js';

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
    expect(cluster.rbd.blocked.get(CLIENT.address)! - Date.now()).toBeGreaterThan(29 * DAY_MS);
    expect(parts.counters.value(FENCES_METRIC, { what: 'renewed' })).toBe(1);
    expect(parts.counters.text()).toContain(`${FENCES_METRIC}{what="renewed"} 1`);
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

  it('lets a node in again, tells people, and keeps nothing of it', async () => {
    await fences.fence(place(), request, soon());
    const seen = '2026-01-01T00:05:00Z';
    const back = { version: 1, node: 'a', bootId: 'boot-2', driver: '0', mappers: [], seen } as const;
    await parts.nodes.register(place(), back, soon());
    await keeper.round();
    expect(cluster.rbd.blocked.size).toBe(0);
    expect(await fences.all(place(), soon())).toEqual([]);
    expect(parts.announced).toMatchObject([{ reason: 'NodeUnfenced', kind: 'Normal' }]);
  });
});

it('a registration that was looked up before the stage, and is written after the fence, lifts nothing', async () => {
  const staged = { ...request, holder: { ...holder, at: '2026-01-01T00:03:00Z' } };
  await fences.fence(place(), staged, soon());
  const late = { version: 1, node: 'a', bootId: 'boot-1', driver: '0', mappers: [], clients: [] } as const;
  await parts.nodes.register(place(), { ...late, seen: '2026-01-01T00:02:59Z' }, soon());
  await keeper.round();
  expect(await standing()).toEqual([CLIENT.address]);
  await parts.nodes.register(place(), { ...late, seen: '2026-01-01T00:03:01Z' }, soon());
  await keeper.round();
  expect(await standing()).toEqual([]);
});

describe('a fence is lifted', () => {
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
  ])('%s', (_what, registration, lifted) => {
    expect(whyLift(fence, registration) !== undefined).toBe(lifted);
  });
});
