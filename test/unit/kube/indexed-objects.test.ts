import { describe, expect, it } from 'vitest';
import { IndexedObjects } from '../../../src/kube/indexed-objects.js';

interface Volume {
  readonly handle: string | undefined;
  readonly size: number;
}

const volumes = () => new IndexedObjects<Volume, 'handle'>({ handle: ({ handle }) => handle });

describe('indexed objects', () => {
  it('are found by name and by key, several by one key in the order in which they came', () => {
    const all = volumes();
    const [a, b, c] = [
      { handle: 'h', size: 1 },
      { handle: 'h', size: 2 },
      { handle: undefined, size: 3 },
    ];
    all.set('a', a);
    all.set('b', b);
    all.set('c', c);
    expect(all.of('handle', 'h')).toEqual([a, b]);
    expect(all.get('c')).toBe(c);
    expect(all.of('handle', 'other')).toEqual([]);
    expect(all.size).toBe(3);
  });

  it('are found by their new key alone when they change', () => {
    const all = volumes();
    all.set('a', { handle: 'old', size: 1 });
    all.set('a', { handle: 'new', size: 1 });
    expect([all.of('handle', 'old').length, all.of('handle', 'new').length, all.size]).toEqual([0, 1, 1]);
  });

  it('leave the others of their key behind when they go', () => {
    const all = volumes();
    all.set('a', { handle: 'h', size: 1 });
    all.set('b', { handle: 'h', size: 2 });
    all.delete('a');
    all.delete('never-there');
    expect(all.of('handle', 'h')).toEqual([{ handle: 'h', size: 2 }]);
    all.delete('b');
    expect(all.of('handle', 'h')).toEqual([]);
    expect(all.values()).toEqual([]);
  });
});
