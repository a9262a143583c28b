/** Feature names are those of the rbd command. */
import { expect, it } from 'vitest';
import { featureBits, featureNames } from '../../../src/rbd/feature-bits.js';

it('knows the default features of Ceph as 61', () => {
  expect(featureNames(61n)).toEqual(['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten']);
  expect(featureBits(featureNames(61n))).toBe(61n);
});

it('has no bits for a name that it does not know', () => {
  expect(featureBits(['layering', 'teleport'])).toBeUndefined();
});

it('shows a feature that is newer than itself by its bit', () => {
  expect(featureNames(1n | (1n << 40n))).toEqual(['layering', 'bit-40']);
});
