import fc from 'fast-check';
import { expect, it } from 'vitest';
import { locationId, locationName, parseLocationName } from '../../../../src/rbd/mapping/location-name.js';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 });
const location = fc.record({ fsid: text, pool: text, namespace: fc.string({ unit: 'grapheme' }), image: text });

it('comes back from its name, which is one component of a path', () => {
  fc.assert(
    fc.property(location, (at) => {
      const name = locationName(at);
      expect(parseLocationName(name)).toEqual(at);
      expect(name).not.toMatch(/[/\s\0]/);
    }),
  );
});

it('differs where any part differs, also at the seams', () => {
  const names = [
    { fsid: 'f', pool: 'a', namespace: 'b', image: 'c' },
    { fsid: 'f', pool: 'a', namespace: '', image: 'b:c' },
    { fsid: 'f', pool: 'a:b', namespace: '', image: 'c' },
  ].map(locationName);
  expect(new Set(names).size).toBe(3);
});

it.each(['', 'a:b:c', 'a:b:c:d:e', 'f:p:n:', ':p:n:i', 'f:p:n:%zz', 'daemon.pid'])('%j is no name of ours', (name) => {
  expect(parseLocationName(name)).toBeUndefined();
});

it('has an id that fits QEMU with a letter before it, and stays the same', () => {
  const at = { fsid: 'f', pool: 'p', namespace: '', image: 'i'.repeat(200) };
  expect(locationId(at)).toMatch(/^[0-9a-f]{24}$/);
  expect(locationId(at)).toBe(locationId({ ...at }));
});
