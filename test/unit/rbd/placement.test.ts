/** In which placement group an object is, beside what `ceph osd map` of a real cluster said of each. */
import { expect, it } from 'vitest';
import { placementOf } from '../../../src/rbd/placement.js';

it.each([
  ['a', '', 0x29eec818, 0x8],
  ['abcdefgh', '', 0x53f775e, 0x6],
  ['abcdefghi', '', 0x3a7b0a5f, 0x7],
  ['abcdefghij', '', 0xc9cac242, 0x2],
  ['abcdefghijk', '', 0xe52b8e4c, 0x4],
  ['abcdefghijkl', '', 0xb1b3ea5, 0x5],
  ['rbd_header.102c30114e52', '', 0x1d2b871, 0x1],
  ['rbd_data.2.102c30114e52.00000000000000ff', '', 0xccfa3794, 0x4],
  ['rbd_id.berth-pvc-8c1f0a52', '', 0x5286fedb, 0xb],
  ['rbd_directory', 'tenant-a', 0xdd05fa21, 0x1],
])('%s of namespace "%s", hash %d, is in group %d of twelve', (name, namespace, hash, group) => {
  expect(placementOf(name, namespace, 12)).toBe(group);
  expect(placementOf(name, namespace, 2 ** 31)).toBe(hash % 2 ** 31);
  expect(placementOf(name, namespace, 1)).toBe(0);
});
