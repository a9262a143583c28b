/** What a reading of the node says of mappers: which of them are blind, and whose mappings are ours by proof. */
import { expect, it } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import type { Mapper } from '../../../src/rbd/mapping/mapper.js';
import { decideEntry } from '../../../src/reconcile/decide-entry.js';
import { Decided } from '../../../src/reconcile/decision.js';
import { NodeGatherer } from '../../../src/reconcile/gather-node.js';
import type { NodeFacts } from '../../../src/reconcile/node-facts.js';
import { NodeView } from '../../../src/reconcile/view.js';
import { entry, mapping, NOW } from './node-facts-fixture.js';

const seen = mapping({ mapper: 'loop', device: '/dev/berth-no-such-device' }).mapping;
const krbd: Pick<Mapper, 'name' | 'list'> = { name: 'krbd', list: () => Promise.resolve([]) };
const loop: Pick<Mapper, 'name' | 'list' | 'listsOnlyOwn'> = {
  ...{ name: 'loop', listsOnlyOwn: true, list: () => Promise.resolve([seen]) },
};

function read(
  all: readonly Pick<Mapper, 'name' | 'list' | 'listsOnlyOwn'>[],
  isRunning: () => boolean = () => false,
): Promise<NodeFacts> {
  const journal = { all: () => Promise.resolve({ entries: [entry({ mapper: 'loop' })], unreadable: [] }) };
  const gatherer = new NodeGatherer(
    {
      ...{ journal, mappers: { all }, clusters: { all: () => Promise.resolve([]) }, now: () => new Date(NOW) },
      ...{ operations: { isRunning }, log: { debug: () => undefined } },
    },
    { kubeletDirectory: '/nowhere', driver: 'rbd.csi.berth.dev', ageMs: 1 },
  );
  return gatherer.gather(Deadline.after(10_000));
}

it('an entry of a mapper that this driver was built without is reported and never forgotten', async () => {
  const facts = await read([krbd]);
  expect([...facts.blind]).toEqual([['loop', expect.stringContaining('no such mapper')]]);
  const decided = new Decided();
  decideEntry(await NodeView.over(facts), entry({ mapper: 'loop' }), decided);
  expect(decided.acts).toEqual([]);
  expect(decided.reports).toMatchObject([
    { kind: 'unsure', what: expect.stringContaining('no such mapper') as string },
  ]);
});

it('a driver with that mapper sees its mappings, which are ours by proof', async () => {
  const facts = await read([krbd, loop]);
  expect([...facts.blind]).toEqual([]);
  expect(facts.mappings).toMatchObject([{ mapping: seen, isProvenOurs: true }]);
});

it('a volume that was staged while this was read counts as busy, also when that has ended', async () => {
  let running = true;
  const facts = await read([krbd, loop], () => running);
  running = false;
  expect(facts.isRunning(entry().volume)).toBe(true);
  expect(facts.isRunning('dev/hyper/another')).toBe(false);
});
