import { describe, expect, it } from 'vitest';
import { identityOf, isSameNode, recordedNode, type RecordedNode } from '../../../src/attachment/node-identity.js';

const named = { node: 'worker-1' };
const isSame = (one: RecordedNode, other: RecordedNode): readonly boolean[] => [
  isSameNode(one, identityOf(other)),
  isSameNode(other, identityOf(one)),
];

describe('the node that a record means', () => {
  it('is known by its name where the record says nothing else', () => {
    expect(isSame(named, { ...named, installation: 'x', machine: 'm' })).toEqual([true, true]);
    expect(isSame(named, { ...named, installation: '', machine: 'm' })).toEqual([true, true]);
    expect(isSame(named, { node: 'worker-2' })).toEqual([false, false]);
  });

  it('is another one in another installation, whatever machine it is', () => {
    const there = { ...named, installation: 'y' };
    expect(isSame({ ...named, installation: 'x' }, there)).toEqual([false, false]);
    expect(isSame({ ...named, installation: 'x', machine: 'm' }, { ...there, machine: 'm' })).toEqual([false, false]);
  });

  it('is another one on another machine', () => {
    const old = { ...named, installation: 'x', machine: 'm1' };
    expect(isSame(old, { ...old, machine: 'm2' })).toEqual([false, false]);
    expect(isSame({ ...named, machine: 'm1' }, { ...named, machine: 'm2' })).toEqual([false, false]);
    expect(isSame(old, { ...named, installation: 'x' })).toEqual([true, true]);
  });

  it('without an installation is the one of an installation only where the machine is known to be the same', () => {
    const none = { ...named, installation: '' };
    const some = { ...named, installation: 'x' };
    expect(isSame(none, some)).toEqual([false, false]);
    expect(isSame({ ...none, machine: 'm' }, some)).toEqual([false, false]);
    expect(isSame({ ...none, machine: 'm' }, { ...some, machine: 'm' })).toEqual([true, true]);
    expect(isSame({ ...none, machine: 'm1' }, { ...some, machine: 'm2' })).toEqual([false, false]);
    expect(isSame(none, none)).toEqual([true, true]);
  });

  it('is written down with what is known of it, by whoever writes or by the record before', () => {
    const known = identityOf({ ...named, installation: 'x' });
    expect(recordedNode(known)).toEqual({ ...named, installation: 'x' });
    expect(recordedNode(known, { ...named, machine: 'm' })).toEqual({ ...named, installation: 'x', machine: 'm' });
    expect(recordedNode(identityOf(named))).toEqual(named);
  });
});
