/** The register of nodes: known are those that registered in this place, and no others. */
import { describe, expect, it, vi } from 'vitest';
import { NodeRegistry, type NodeRegistration } from '../../../src/attachment/node-registry.js';
import { EARLIER_NODES_OBJECT, NODES_OBJECTS, nodesObjectOf } from '../../../src/attachment/nodes/node-objects.js';
import { EarlierLines } from '../../../src/attachment/nodes/earlier-lines.js';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import { MemoryRbd } from '../../fakes/rbd-memory.js';
import type { PoolRef } from '../../../src/rbd/port.js';
import { nodeNamed } from '../../fakes/node-named.js';

const access = { cluster: 'c', monitors: ['127.0.0.1'], user: 'u', key: new Secret('k') };
const place = { access, pool: 'p', namespace: 'n' };
const deadline = Deadline.after(10_000);
const node = (name: string, seen = '2026-01-01T00:00:00.000Z'): NodeRegistration => ({
  ...{ version: 1, node: name, bootId: 'b', driver: '0.1.0', mappers: ['krbd'], seen },
});

it('knows a node after it registered, in that pool and namespace only', async () => {
  const nodes = new NodeRegistry(new MemoryRbd('p/n', 'q'));
  const isKnown = async (name: string, at: PoolRef = place): Promise<boolean> =>
    (await nodes.find(at, nodeNamed(name), deadline)).registration !== undefined;
  expect(await isKnown('a')).toBe(false);
  await nodes.register(place, node('a'), deadline);
  expect(await isKnown('a')).toBe(true);
  expect(await isKnown('A')).toBe(false);
  expect(await isKnown('')).toBe(false);
  expect(await isKnown('a', { ...place, namespace: '' })).toBe(false);
  expect(await isKnown('a', { access, pool: 'q', namespace: '' })).toBe(false);
});

const lineOf = (installation: string, machine: string, more: Partial<NodeRegistration> = {}): NodeRegistration => ({
  ...node('a'),
  ...{ installation, machine },
  ...more,
});

it('keeps nodes of one name apart by installation, a machine from the one that bears its name now', async () => {
  const nodes = new NodeRegistry(new MemoryRbd('p/n'));
  const find = (installation: string, machine?: string) =>
    nodes.find(place, { node: 'a', installation, machine }, deadline);
  await nodes.register(place, lineOf('x', 'm1'), deadline);
  await nodes.register(place, lineOf('y', 'm2'), deadline);
  expect((await find('x')).registration).toMatchObject({ machine: 'm1' });
  expect((await find('y')).registration).toMatchObject({ machine: 'm2' });
  expect(await find('z')).toMatchObject({ registration: undefined, elsewhere: { installation: 'y' } });
  await nodes.register(place, lineOf('x', 'm3'), deadline);
  expect(await find('x', 'm1')).toMatchObject({ registration: { machine: 'm1' }, successor: { machine: 'm3' } });
  expect(await find('x', 'm3')).toMatchObject({ registration: { machine: 'm3' }, successor: undefined });
  expect((await find('x')).registration).toMatchObject({ machine: 'm3' });
});

it('knows a node of an earlier Berth by its name, until it says more', async () => {
  const nodes = new NodeRegistry(new MemoryRbd('p/n'));
  const find = async () => await nodes.find(place, { node: 'a', installation: 'x', machine: undefined }, deadline);
  await nodes.register(place, node('a'), deadline);
  expect((await find()).registration).toMatchObject({ node: 'a' });
  await nodes.register(place, lineOf('y', 'm'), deadline);
  expect((await find()).registration).toBeUndefined();
});

it('keeps one line a node, the newest, readable for a person', async () => {
  const rbd = new MemoryRbd('p/n');
  const nodes = new NodeRegistry(rbd);
  await nodes.register(place, node('a'), deadline);
  await nodes.register(place, node('b'), deadline);
  await nodes.register(place, node('a', '2026-02-02T00:00:00.000Z'), deadline);
  const lines = await rbd.listRecords(place, nodesObjectOf('a'), '', 10, deadline);
  expect([...lines.keys()]).toEqual(['a']);
  expect(JSON.parse(lines.get('a')!)).toEqual(node('a', '2026-02-02T00:00:00.000Z'));
});

it('spreads two thousand nodes so that none of its objects has more than five writes a second', () => {
  const perObject = new Map<string, number>();
  for (let n = 0; n < 2_000; n += 1) {
    const object = nodesObjectOf(`worker-${n}.example.net`);
    perObject.set(object, (perObject.get(object) ?? 0) + 1);
  }
  // Each is written again after thirty seconds at the earliest.
  expect(Math.max(...perObject.values()) / 30).toBeLessThan(5);
  expect(NODES_OBJECTS).toHaveLength(33);
});

describe('beside an earlier Berth', () => {
  const earlier = (rbd: MemoryRbd, line: NodeRegistration, key = 'a') =>
    rbd.setRecords(place, EARLIER_NODES_OBJECT, new Map([[key, JSON.stringify(line)]]), deadline);
  const now = () => new Date('2026-03-01T00:00:00.000Z');
  const fresh = '2026-02-28T23:59:50.000Z';
  const find = (rbd: MemoryRbd) => new NodeRegistry(rbd, now).find(place, nodeNamed('a'), deadline);

  it('finds the nodes that it has registered, and those that were changed back to it', async () => {
    const rbd = new MemoryRbd('p/n');
    await earlier(rbd, node('a', fresh));
    expect((await find(rbd)).registration).toMatchObject({ seen: fresh });
    await new NodeRegistry(rbd, now).register(place, node('a', '2026-02-01T00:00:00.000Z'), deadline);
    await earlier(rbd, node('a', fresh));
    expect((await find(rbd)).registration).toMatchObject({ seen: fresh });
  });

  it('reads one object for a node that speaks, and the earlier one only for a silent one', async () => {
    const rbd = new MemoryRbd('p/n');
    await new NodeRegistry(rbd, now).register(place, node('a', fresh), deadline);
    rbd.calls.length = 0;
    expect((await find(rbd)).registration).toMatchObject({ seen: fresh });
    expect(rbd.calls).toHaveLength(1);
  });

  it('writes nothing for it where it was never on that node', async () => {
    const rbd = new MemoryRbd('p/n');
    const nodes = new NodeRegistry(rbd);
    for (let n = 0; n < 3; n += 1) await nodes.register(place, node('a'), deadline);
    expect(await rbd.listRecords(place, EARLIER_NODES_OBJECT, '', 10, deadline)).toEqual(new Map());
  });

  it('keeps the lines that its controllers look for for a day, seldom, and then removes its own', async () => {
    const rbd = new MemoryRbd('p/n');
    await earlier(rbd, lineOf('x', 'm1'), 'x/a');
    await earlier(rbd, lineOf('x', 'other'), 'a');
    let clock = 0;
    const lines = new EarlierLines(rbd, () => clock);
    const keep = () => lines.keep(place, lineOf('x', 'm1', { seen: fresh }), deadline);
    const written = () => rbd.calls.filter(({ operation }) => operation === 'setRecords').length - 2;
    await keep();
    const now = await rbd.getRecords(place, EARLIER_NODES_OBJECT, ['x/a'], deadline);
    expect(JSON.parse(now.get('x/a')!)).toMatchObject({ seen: fresh, elsewhere: true });
    clock = 199_000;
    await keep();
    expect(written()).toBe(1);
    clock = 200_000;
    await keep();
    expect(written()).toBe(2);
    await earlier(rbd, lineOf('x', 'other'), 'a');
    clock = 86_400_000;
    await keep();
    const left = await rbd.listRecords(place, EARLIER_NODES_OBJECT, '', 10, deadline);
    expect([...left.keys()]).toEqual(['a']);
    rbd.calls.length = 0;
    await keep();
    expect(rbd.calls).toEqual([]);
  });
});

describe('a node that is silent for ninety days', () => {
  it('leaves the registry, unless a fence needs its word or it speaks in that moment', async () => {
    const rbd = new MemoryRbd('p/n');
    const nodes = new NodeRegistry(rbd, () => new Date('2026-06-01T00:00:00.000Z'));
    for (const [name, seen] of [
      ['dead', '2026-03-01T00:00:00.000Z'],
      ['fenced', '2026-03-01T00:00:00.000Z'],
      ['away', '2026-03-05T00:00:00.000Z'],
      ['back', '2026-03-01T00:00:00.000Z'],
    ] as const) {
      await nodes.register(place, node(name, seen), deadline);
    }
    const real = rbd.compareAndSetRecord.bind(rbd);
    vi.spyOn(rbd, 'compareAndSetRecord').mockImplementation(async (at, object, key, ...more) => {
      if (key === 'back') await nodes.register(place, node('back', '2026-06-01T00:00:00.000Z'), deadline);
      return real(at, object, key, ...more);
    });
    expect(await nodes.forgetDead(place, new Set(['fenced']), deadline)).toBe(1);
    const known = async (name: string) => (await nodes.find(place, nodeNamed(name), deadline)).registration?.node;
    expect(await Promise.all(['dead', 'fenced', 'away', 'back'].map(known))).toEqual([
      ...[undefined, 'fenced', 'away', 'back'],
    ]);
  });
});
