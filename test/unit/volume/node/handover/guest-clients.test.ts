/** A guest's client is named only where nobody else can be meant: a fence is aimed at it. */
import { describe, expect, it } from 'vitest';
import type { HolderRecord } from '../../../../../src/attachment/holder-record.js';
import { guestClientOf } from '../../../../../src/volume/node/handover/guest-clients.js';
import { nodeNamed } from '../../../../fakes/node-named.js';

const SELF = '10.0.0.1:0/11';
const GUEST = { address: '10.0.0.1:0/77', client: 4_711n };
const holder = (node: string, ...addresses: string[]): HolderRecord['holders'][0] => ({
  ...{ node, since: '2026-01-01T00:00:00Z', by: 'node', state: 'staged' },
  clients: addresses.map((address) => ({ address, client: 'client.1' })),
});
const record = (...holders: HolderRecord['holders'][0][]): HolderRecord => ({
  ...{ version: 1, image: 'v', mode: 'SINGLE_NODE_SINGLE_WRITER', access: 'mount', readOnly: false },
  holders: holders as unknown as HolderRecord['holders'],
});
const found = (...watchers: { address: string; client: bigint }[]) =>
  guestClientOf(watchers, record(holder('node-a')), nodeNamed('node-a'), SELF);

describe('the client of a guest', () => {
  it('is the only one that has the image open, from this node', () => {
    expect(found(GUEST)).toEqual({ address: GUEST.address, client: 'client.4711' });
    expect(guestClientOf([GUEST], undefined, nodeNamed('node-a'), SELF)?.address).toBe(GUEST.address);
  });

  it('is not known while nobody has it open, or more than one, as after a guest that died', () => {
    expect(found()).toBeUndefined();
    expect(found(GUEST, { address: '10.0.0.1:0/78', client: 4_712n })).toBeUndefined();
  });

  it('is never one of another address: somebody mapped the image by hand elsewhere', () => {
    expect(found({ ...GUEST, address: '10.0.0.2:0/77' })).toBeUndefined();
    expect(found({ ...GUEST, address: '10.0.0.11:0/77' })).toBeUndefined();
    const [self, guest] = ['[fd00::1]:0/11', { address: '[fd00::1]:0/77', client: 4_711n }];
    expect(guestClientOf([guest], undefined, nodeNamed('node-a'), self)?.address).toBe(guest.address);
    expect(guestClientOf([guest], undefined, nodeNamed('node-a'), '[fd00::2]:0/11')).toBeUndefined();
  });

  it('is never another node’s, and seen beside it', () => {
    const theirs = { address: '10.0.0.1:0/99', client: 9n };
    const both = record(holder('node-a'), holder('node-b', theirs.address));
    expect(guestClientOf([theirs], both, nodeNamed('node-a'), SELF)).toBeUndefined();
    expect(guestClientOf([theirs, GUEST], both, nodeNamed('node-a'), SELF)?.address).toBe(GUEST.address);
  });
});
