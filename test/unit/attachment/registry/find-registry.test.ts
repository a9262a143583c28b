/** The registry of a cluster is found by what the cluster says, not by the order of a file; and there is one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FENCES_OBJECT } from '../../../../src/attachment/fences.js';
import { EARLIER_NODES_OBJECT } from '../../../../src/attachment/nodes/node-objects.js';
import { RegistryFinder } from '../../../../src/attachment/registry/find-registry.js';
import { REGISTRY_OBJECT } from '../../../../src/attachment/registry/registry-marks.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import { Secret } from '../../../../src/model/secret.js';
import type { ClusterConfig } from '../../../../src/rbd/clusters-file.js';
import type { PoolRef } from '../../../../src/rbd/port.js';
import { MemoryRbd } from '../../../fakes/rbd-memory.js';

const access = { cluster: 'c1', monitors: ['m1'], user: 'berth', key: new Secret('AQBkey==') };
const soon = (): Deadline => Deadline.after(10_000);
const at = (pool: string): PoolRef => ({ access, pool, namespace: '' });
const denied = (): Error => berthError('BERTH_CEPH_DENIED', { user: 'berth', what: 'pool' });

let rbd: MemoryRbd;
let told: string[];

beforeEach(() => {
  rbd = new MemoryRbd('a', 'b', 'c');
  told = [];
});

const config = (...pools: string[]): ClusterConfig => ({
  id: 'c1',
  monitors: ['m1'],
  pools: pools.map((name) => ({ name, namespaces: [''] })),
  users: {},
  registry: undefined,
});

/** Another process each time. */
function finder(records = true): RegistryFinder {
  const log = { info: () => undefined, error: (_: unknown, text?: string) => void told.push(text ?? '') };
  return new RegistryFinder({
    rbd,
    objects: [EARLIER_NODES_OBJECT, FENCES_OBJECT],
    records,
    log,
    now: () => new Date(),
  });
}
const find = async (...pools: string[]): Promise<string> =>
  (await finder().find(config(...pools), access, soon())).pool;
const register = (pool: string, node: string, seen: string): Promise<void> => {
  const text = JSON.stringify({ version: 1, node, bootId: 'b', driver: '0', mappers: [], seen });
  return rbd.setRecords(at(pool), EARLIER_NODES_OBJECT, new Map([[node, text]]), soon());
};
const fence = (pool: string, instance: string, text = '{}'): Promise<void> =>
  rbd.setRecords(at(pool), FENCES_OBJECT, new Map([[instance, text]]), soon());
const fencesOf = (pool: string) => rbd.listRecords(at(pool), FENCES_OBJECT, '', 100, soon());

describe('the registry of a cluster', () => {
  it('that is new is the first listed place, and stays it when another one is inserted before', async () => {
    expect(await find('b', 'c')).toBe('b');
    expect(await find('a', 'b', 'c')).toBe('b');
    expect(told).toEqual([]);
  });

  it('of an earlier Berth is where its nodes are, although a place was inserted before', async () => {
    await register('b', 'n1', '2026-01-01T00:00:00Z');
    expect(await find('a', 'b')).toBe('b');
    expect(await find('a', 'c', 'b')).toBe('b');
  });

  it('is one for processes that list the same places in another order at the same time', async () => {
    const orders = [
      ['a', 'b', 'c'],
      ['c', 'b', 'a'],
      ['b', 'c', 'a'],
    ] as const;
    const found = await Promise.all(orders.map((pools) => find(...pools)));
    expect(new Set(found).size).toBe(1);
    expect(await find('c', 'a', 'b')).toBe(found[0]);
  });

  it('is asked for once for each list of places, and never where there is one place', async () => {
    const one = finder();
    await one.find(config('a'), access, soon());
    expect(rbd.calls).toEqual([]);
    await one.find(config('a', 'b'), access, soon());
    const calls = rbd.calls.length;
    await one.find(config('a', 'b'), access, soon());
    expect(rbd.calls).toHaveLength(calls);
    await one.find(config('c', 'a', 'b'), access, soon());
    expect(rbd.calls).toHaveLength(calls + 3);
  });
});

it('the registry is found and not recorded by who changes nothing', async () => {
  await register('b', 'n1', '2026-01-01T00:00:00Z');
  expect((await finder(false).find(config('a', 'b'), access, soon())).pool).toBe('b');
  const changed = rbd.calls.filter(({ operation }) => operation === 'compareAndSetRecord');
  expect(changed).toEqual([]);
});

describe('a place that cannot be asked', () => {
  it('makes no registry elsewhere: it is unknown until the place answers', async () => {
    await register('b', 'n1', '2026-01-01T00:00:00Z');
    rbd.failNext('getRecords', denied);
    await expect(find('a', 'b')).rejects.toMatchObject({ code: 'BERTH_REGISTRY_UNKNOWN', status: 'UNAVAILABLE' });
    expect(await rbd.getRecords(at('b'), REGISTRY_OBJECT, ['here'], soon())).toEqual(new Map());
    expect(await find('a', 'b')).toBe('b');
  });

  it('is no matter where another one says that it is the registry', async () => {
    expect(await find('b', 'a')).toBe('b');
    rbd.failNext('getRecords', denied);
    expect(await find('a', 'b')).toBe('b');
  });

  it('because Ceph has no such pool may be a renamed one, unless nodes are known elsewhere', async () => {
    await expect(find('gone', 'b')).rejects.toMatchObject({ code: 'BERTH_REGISTRY_UNKNOWN' });
    await register('b', 'n1', '2026-01-01T00:00:00Z');
    expect(await find('gone', 'b')).toBe('b');
  });

  it('as no other one is asks for the error of the cluster itself', async () => {
    rbd.failNext('getRecords', denied);
    rbd.failNext('getRecords', denied);
    await expect(find('a', 'b')).rejects.toMatchObject({ code: 'BERTH_CEPH_DENIED' });
  });
});

describe('two places that an earlier Berth wrote to', () => {
  it('become one: where nodes speak now, with the fences of both, and it is told', async () => {
    await register('a', 'n1', '2026-01-01T00:00:00Z');
    await register('b', 'n1', '2026-03-01T00:00:00Z');
    await fence('a', '10.0.0.1:0/1');
    await fence('a', '10.0.0.2:0/2', '{"old":true}');
    await fence('b', '10.0.0.2:0/2', '{"new":true}');
    expect(await find('a', 'b')).toBe('b');
    expect(Object.fromEntries(await fencesOf('b'))).toEqual({
      '10.0.0.1:0/1': '{}',
      '10.0.0.2:0/2': '{"new":true}',
    });
    expect(told).toEqual([expect.stringContaining('more than one place')]);
  });

  it('both in use become the first in the list, as for the earlier one that runs beside', async () => {
    await register('a', 'n1', '2026-03-01T00:00:00Z');
    await register('b', 'n2', '2026-03-01T00:00:20Z');
    expect(await find('a', 'b')).toBe('a');
    expect(await find('b', 'a')).toBe('a');
    expect([...(await rbd.listRecords(at('a'), EARLIER_NODES_OBJECT, '', 100, soon())).keys()]).toEqual(['n1', 'n2']);
  });

  it('are asked again after a crash between claim and mark, and nothing is lost', async () => {
    await fence('a', '10.0.0.1:0/1');
    await register('b', 'n1', '2026-03-01T00:00:00Z');
    rbd.failNext('compareAndSetRecord', () => berthError('BERTH_WORKER_DIED', { what: 'call', how: 'signal 9' }));
    await expect(find('b', 'a')).rejects.toMatchObject({ code: 'BERTH_WORKER_DIED' });
    expect(await find('a', 'b')).toBe('b');
    expect([...(await fencesOf('b')).keys()]).toEqual(['10.0.0.1:0/1']);
  });
});

it('two registries of files without a common place: the older one, with the fences of both, said aloud', async () => {
  for (const [pool, since] of [
    ['a', '2026-02-01T00:00:00Z'],
    ['b', '2026-01-01T00:00:00Z'],
  ] as const) {
    await rbd.setRecords(at(pool), REGISTRY_OBJECT, new Map([['here', since]]), soon());
  }
  await fence('a', '10.0.0.1:0/1');
  expect(await find('a', 'b')).toBe('b');
  expect([...(await fencesOf('b')).keys()]).toEqual(['10.0.0.1:0/1']);
  expect(told).toEqual([expect.stringContaining('more than one place')]);
});
