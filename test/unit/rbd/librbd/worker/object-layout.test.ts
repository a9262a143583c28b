/** Which objects hold which bytes of an image. */
import { describe, expect, it } from 'vitest';
import {
  firstByteOf,
  objectAt,
  objectsOn,
  periodOf,
  type Layout,
} from '../../../../../src/rbd/librbd/worker/clone/object-layout.js';

const LAYOUTS: readonly Layout[] = [
  { objectSize: 16n, stripeUnit: 16n, stripeCount: 1n },
  { objectSize: 16n, stripeUnit: 4n, stripeCount: 1n },
  { objectSize: 16n, stripeUnit: 4n, stripeCount: 3n },
  { objectSize: 16n, stripeUnit: 16n, stripeCount: 4n },
  { objectSize: 8n, stripeUnit: 2n, stripeCount: 5n },
];
const BYTES = 960n;

describe.each(LAYOUTS)('of objects of $objectSize bytes, in stripes of $stripeUnit over $stripeCount', (layout) => {
  const bytes = Array.from({ length: Number(BYTES) }, (_, n) => BigInt(n));

  it('each has as many bytes as it is large, and the first of them is told', () => {
    const first = new Map<bigint, bigint>();
    const counts = new Map<bigint, bigint>();
    for (const at of bytes) {
      const object = objectAt(layout, at);
      if (!first.has(object)) first.set(object, at);
      counts.set(object, (counts.get(object) ?? 0n) + 1n);
    }
    expect(new Set(counts.values())).toEqual(new Set([layout.objectSize]));
    expect(first.size).toBe(Number(BYTES / layout.objectSize));
    for (const [object, at] of first) expect(firstByteOf(layout, object)).toBe(at);
  });

  it('a period holds whole objects, the same number each time', () => {
    const period = periodOf(layout);
    for (const at of bytes) expect(objectAt(layout, at + period)).toBe(objectAt(layout, at) + layout.stripeCount);
  });

  it('an extent lies on each object that has a byte of it', () => {
    for (const [offset, length] of [
      [0n, 1n],
      [5n, 1n],
      [3n, 40n],
      [17n, 300n],
      [0n, BYTES],
    ] as const) {
      const of = new Set(bytes.filter((at) => at >= offset && at < offset + length).map((at) => objectAt(layout, at)));
      const found = objectsOn(layout, BigUint64Array.from([offset, length, offset, 1n]), BYTES);
      expect(found).toEqual([...of].sort((a, b) => Number(a - b)));
      expect(objectsOn(layout, BigUint64Array.from([offset, BYTES]), offset + length)).toEqual(found);
      expect(objectsOn(layout, BigUint64Array.from([offset, length]), offset)).toEqual([]);
    }
  });
});
