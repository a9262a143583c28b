/** Who may have an image open: a table over record, own clients and watchers. */
import { describe, expect, it } from 'vitest';
import type { Holder, HolderRecord } from '../../../src/attachment/holder-record.js';
import {
  attributeWatchers,
  unexplainedWatchers,
  type KnownClient,
} from '../../../src/attachment/unexplained-watchers.js';
import type { Watcher } from '../../../src/rbd/port.js';
import { nodeNamed } from '../../fakes/node-named.js';

const watcher = (number: number): Watcher => ({ address: `10.0.0.1:0/${number}`, client: BigInt(number) });
const client = (number: number) => ({ address: `10.0.0.1:0/${number}`, client: `client.${number}` });
const holder = (node: string, more: Partial<Holder> = {}): Holder => ({ node, since: 'x', by: 'controller', ...more });
const record = (first: Holder, ...rest: Holder[]): HolderRecord => ({
  ...{ version: 1, mode: 'MULTI_NODE_MULTI_WRITER', access: 'block', readOnly: false },
  holders: [first, ...rest],
});
const strangers = (
  watchers: readonly Watcher[],
  of: HolderRecord | undefined,
  own: readonly KnownClient[] = [],
  unnamed: 0 | 1 = 0,
): readonly number[] =>
  unexplainedWatchers({ watchers, record: of, node: nodeNamed('a'), own }, unnamed).map((one) => Number(one.client));

describe('a watcher', () => {
  it.each<[string, HolderRecord | undefined, readonly number[]]>([
    ['no record', undefined, [1]],
    ['a record that names this node alone, whatever it says', record(holder('a', { state: 'staged' })), [1]],
    ['another node that was only granted it', record(holder('b', { state: 'granted' })), [1]],
    ['another node that released it', record(holder('b', { state: 'released' })), [1]],
    ['another node that is staging it', record(holder('b', { state: 'staging' })), []],
    ['another node that staged it by nobody knows which client', record(holder('b', { state: 'staged' })), []],
    ['another node of a Berth that knew no states', record(holder('b')), []],
    ['another node’s recorded client', record(holder('b', { state: 'staged', clients: [client(1)] })), []],
    ['what another node released', record(holder('b', { state: 'released', clients: [client(1)] })), [1]],
    ['another client of another node', record(holder('b', { state: 'staged', clients: [client(2)] })), [1]],
    ['this node’s record of a client, where that is not given', record(holder('a', { clients: [client(1)] })), [1]],
  ])('beside %s', (_what, of, expected) => {
    expect(strangers([watcher(1)], of)).toEqual(expected);
  });

  it('is explained by an own client, by its address or by its number', () => {
    expect(strangers([watcher(1)], undefined, [client(1)])).toEqual([]);
    expect(strangers([watcher(1)], undefined, [{ address: '10.0.0.1:0/1' }])).toEqual([]);
    expect(strangers([watcher(1)], undefined, [{ address: '192.168.0.1:0/9', client: 'client.1' }])).toEqual([]);
    expect(strangers([watcher(1)], undefined, [{ address: '10.0.0.1:0/11', client: 'client.11' }])).toEqual([1]);
  });

  it('may be the one of our own that has no name: of two, one is a stranger, and both are answered', () => {
    expect(strangers([watcher(1)], undefined, [], 1)).toEqual([]);
    expect(strangers([watcher(1), watcher(2)], undefined, [], 1)).toEqual([1, 2]);
    expect(strangers([watcher(1), watcher(2)], undefined, [client(2)], 1)).toEqual([]);
  });

  it('that is there beside those that are explained is the stranger', () => {
    const both = record(holder('a'), holder('b', { state: 'staged', clients: [client(2)] }));
    const facts = { watchers: [1, 2, 3].map(watcher), record: both, node: nodeNamed('a'), own: [client(1)] };
    expect(attributeWatchers(facts)).toEqual({ own: [watcher(1)], strangers: [watcher(3)] });
  });
});
