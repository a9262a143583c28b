/** The register of nodes: known are those that registered in this place, and no others. */
import { expect, it } from 'vitest';
import { NODES_OBJECT, NodeRegistry, type NodeRegistration } from '../../../src/attachment/node-registry.js';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import { MemoryRbd } from '../../fakes/rbd-memory.js';

const access = { cluster: 'c', monitors: ['127.0.0.1'], user: 'u', key: new Secret('k') };
const place = { access, pool: 'p', namespace: 'n' };
const deadline = Deadline.after(10_000);
const node = (name: string, seen = '2026-01-01T00:00:00.000Z'): NodeRegistration => ({
  ...{ version: 1, node: name, bootId: 'b', driver: '0.1.0', mappers: ['krbd'], seen },
});

it('knows a node after it registered, in that pool and namespace only', async () => {
  const nodes = new NodeRegistry(new MemoryRbd('p/n', 'q'));
  expect(await nodes.isKnown(place, 'a', deadline)).toBe(false);
  await nodes.register(place, node('a'), deadline);
  expect(await nodes.isKnown(place, 'a', deadline)).toBe(true);
  expect(await nodes.isKnown(place, 'A', deadline)).toBe(false);
  expect(await nodes.isKnown(place, '', deadline)).toBe(false);
  expect(await nodes.isKnown({ ...place, namespace: '' }, 'a', deadline)).toBe(false);
  expect(await nodes.isKnown({ access, pool: 'q', namespace: '' }, 'a', deadline)).toBe(false);
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
