/** The register of nodes: known are those that registered in this place, and no others. */
import { expect, it } from 'vitest';
import { NODES_OBJECT, NodeRegistry, type NodeRegistration } from '../../../src/attachment/node-registry.js';
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
  const lines = await rbd.getRecords(place, NODES_OBJECT, ['a', 'b'], deadline);
  expect([...lines.keys()].sort()).toEqual(['a', 'b']);
  expect(JSON.parse(lines.get('a')!)).toEqual(node('a', '2026-02-02T00:00:00.000Z'));
});
