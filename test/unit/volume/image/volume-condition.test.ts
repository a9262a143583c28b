/** Who has a volume open against who may: what cannot be right is abnormal, what merely looks odd is not. */
import { describe, expect, it } from 'vitest';
import type { HolderRecord } from '../../../../src/attachment/holder-record.js';
import { conditionOf } from '../../../../src/volume/image/volume-condition.js';

const held = (mode: HolderRecord['mode']): HolderRecord => ({
  ...{ version: 1, mode, access: 'mount', readOnly: false },
  holders: [{ node: 'n1', since: '2026-01-01T00:00:00Z', by: 'controller' }],
});
const watchers = (...addresses: string[]) => addresses.map((address, n) => ({ address, client: BigInt(n) }));
const OWN = '10.0.0.1:0/1';
const [ONE, TWO] = ['10.0.0.2:0/2', '10.0.0.3:0/3'];

describe('the condition of a volume', () => {
  it.each<[string, HolderRecord | undefined, string[], boolean, string]>([
    ['nobody holds or uses', undefined, [], false, 'attached to no node, open nowhere'],
    ['only we are at work on', undefined, [OWN], false, 'attached to no node, open nowhere'],
    [
      'somebody uses whom nobody allowed',
      undefined,
      [ONE],
      true,
      `attached to no node, yet open at ${ONE}; find that client with rbd status`,
    ],
    ['its node uses', held('SINGLE_NODE_WRITER'), [ONE, OWN], false, `attached to n1, open at ${ONE}`],
    ['its node does not use yet', held('SINGLE_NODE_WRITER'), [], false, 'attached to n1, not open for writing'],
    [
      'one client uses with two watches',
      held('SINGLE_NODE_WRITER'),
      [ONE, ONE],
      false,
      `attached to n1, open at ${ONE}`,
    ],
    [
      'two use where one may',
      held('SINGLE_NODE_WRITER'),
      [ONE, TWO],
      true,
      `attached to n1 for a single node, yet open at ${ONE}, ${TWO}; two writers destroy its content`,
    ],
    [
      'two use where many may',
      held('MULTI_NODE_MULTI_WRITER'),
      [ONE, TWO],
      false,
      `attached to n1, open at ${ONE}, ${TWO}`,
    ],
  ])('that %s', (_, record, addresses, abnormal, message) => {
    expect(conditionOf(record, watchers(...addresses), { instance: OWN, installation: '' })).toEqual({
      abnormal,
      message,
    });
  });
});
