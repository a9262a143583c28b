/** The bits that a kernel prints become the names that mkfs gives them. */
import { expect, it } from 'vitest';
import { unknownFeatures } from '../../../../src/host/mount/unknown-features.js';

it.each([
  ['Superblock has unknown incompatible features (0xc0) enabled.', ['exchange', 'parent']],
  ['Superblock has unknown read-only compatible features (0x8) enabled.', ['inobtcount']],
  ["couldn't mount because of unsupported optional features (2000)", ['metadata_csum_seed']],
  ["couldn't mount RDWR because of unsupported optional features (10000)", ['orphan_present']],
  ['Superblock has unknown incompatible features (0x80000000) enabled.', ['bit 0x80000000']],
  ["VFS: Can't find ext4 filesystem", []],
  ['', []],
])('%j: %j', (words, names) => {
  expect(unknownFeatures(words)).toEqual(names);
});
