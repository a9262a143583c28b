/**
 * The holder record: what this version writes it reads; what it cannot understand it refuses, and never takes for
 * "nobody".
 */
import { describe, expect, it } from 'vitest';
import {
  formatHolderRecord,
  parseHolderRecord,
  whyNotStaged,
  type Holder,
  type HolderRecord,
} from '../../../src/attachment/holder-record.js';
import { nodeNamed } from '../../fakes/node-named.js';

const record: HolderRecord = {
  version: 1,
  mode: 'SINGLE_NODE_WRITER',
  access: 'mount',
  readOnly: false,
  holders: [{ node: 'a', since: '2026-01-01T00:00:00.000Z', by: 'controller' }],
};

describe('the holder record', () => {
  it('is read as it was written', () => {
    expect(parseHolderRecord(formatHolderRecord(record), 'v')).toEqual(record);
  });

  it('that is absent or empty means that nobody holds the volume', () => {
    expect(parseHolderRecord(undefined, 'v')).toBeUndefined();
    expect(parseHolderRecord('', 'v')).toBeUndefined();
  });

  it.each<[string, unknown, string]>([
    ['a newer version', { ...record, version: 2 }, 'version 2'],
    ['no version', { ...record, version: undefined }, 'version undefined'],
    ['an unknown mode', { ...record, mode: 'MULTI_CLUSTER_WRITER' }, 'mode MULTI_CLUSTER_WRITER'],
    ['no mode', { ...record, mode: undefined }, 'mode undefined'],
    ['an unknown access', { ...record, access: 'vhost' }, 'access vhost'],
    ['no readOnly', { ...record, readOnly: undefined }, 'no readOnly'],
    ['no holders', { ...record, holders: [] }, 'no holders'],
    ['holders that are no list', { ...record, holders: 'a' }, 'no holders'],
    ['a holder that is nothing', { ...record, holders: [null] }, 'a holder without node'],
    ['a holder without node', { ...record, holders: [record.holders[0], { since: 'x' }] }, 'a holder without node'],
    ['a holder without time', { ...record, holders: [{ node: 'a' }] }, 'a holder without node or time'],
    ['a text', 'held', 'not an object'],
    ['null', null, 'not an object'],
  ])('with %s is refused', (_what, value, why) => {
    const read = (): unknown => parseHolderRecord(JSON.stringify(value), 'c/p/i');
    expect(read).toThrow(`BERTH_RECORD_UNREADABLE: record berth.dev/holder of c/p/i cannot be read: ${why}`);
  });

  it('that was cut short is refused', () => {
    expect(() => parseHolderRecord(formatHolderRecord(record).slice(0, -3), 'v')).toThrow(/not JSON/);
  });
});

describe('a record that came with a copy of another image', () => {
  it('is not believed of the copy', () => {
    const text = formatHolderRecord({ ...record, image: 'pool/original' });
    expect(parseHolderRecord(text, 'c/pool/original')).toMatchObject({ image: 'pool/original' });
    expect(parseHolderRecord(text, 'c/pool/copy')).toBeUndefined();
    expect(parseHolderRecord(text, 'c/pool/ns/original')).toBeUndefined();
  });
});

describe('what a node has staged by an attach', () => {
  const me = nodeNamed('a');
  const recordOf = (more: Partial<Holder>): HolderRecord => ({
    ...record,
    holders: [{ ...record.holders[0], ...more }],
  });

  it.each<[string, Partial<Holder>, string | undefined]>([
    ['that the record names', { state: 'staged', grant: 'g' }, 'g'],
    ['that the record does not name, written by an earlier Berth', { state: 'staged' }, 'g'],
    ['that it does not know, staged by an earlier Berth', { state: 'staged', grant: 'g' }, undefined],
    ['where nobody knows of grants', { state: 'staging' }, undefined],
  ])('%s is its own', (_what, holder, grant) => {
    expect(whyNotStaged(recordOf(holder), me, grant)).toBeUndefined();
  });

  it.each<[string, Partial<Holder>, string | undefined, string]>([
    ['another than the record’s', { state: 'staged', grant: 'h' }, 'g', 'attached anew'],
    ['another than the record’s, which has not begun', { state: 'granted', grant: 'h' }, 'g', 'attached anew'],
    ['before there were grants, attached anew', { state: 'granted' }, undefined, 'attached anew'],
    ['that it has given back', { state: 'released', grant: 'g' }, 'g', 'released'],
    ['that is another node’s', { state: 'staged', grant: 'g', node: 'b' }, 'g', 'does not name this node'],
  ])('%s is not its own any more', (_what, holder, grant, why) => {
    expect(whyNotStaged(recordOf(holder), me, grant)).toContain(why);
  });
});
