/** Kubernetes quantities as bytes: binary and decimal units, fractions, and what is none. */
import { expect, it } from 'vitest';
import { bytesOfQuantity } from '../../../src/model/quantity.js';

it.each<[string, bigint | undefined]>([
  ['1048576', 1_048_576n],
  ['10Gi', 10n * 2n ** 30n],
  ['10G', 10n ** 10n],
  ['1.5Ki', 1536n],
  ['0.1', 1n],
  ['16Ei', 2n ** 64n],
  ['1k', 1000n],
  ['1K', undefined],
  ['1m', undefined],
  ['', undefined],
  ['-1', undefined],
])('%s is %s', (text, bytes) => {
  expect(bytesOfQuantity(text)).toBe(bytes);
});
