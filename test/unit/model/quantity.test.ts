/** Byte counts as people write them. */
import { describe, expect, it } from 'vitest';
import { parseBytes, parseSeconds } from '../../../src/model/quantity.js';

describe('parseBytes', () => {
  it.each<[string, number]>([
    ['0', 0],
    ['4194304', 4194304],
    ['64k', 64_000],
    ['64K', 65536],
    ['64Ki', 65536],
    ['4M', 4194304],
    ['4Mi', 4194304],
    ['1G', 2 ** 30],
    ['1Gi', 2 ** 30],
  ])('reads %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    '',
    ' ',
    '4 Mi',
    '4mi',
    '4MB',
    '4MiB',
    '-1',
    '+1',
    '1.5Mi',
    '1e3',
    '0x10',
    'Mi',
    '4T',
    '999999999999G',
    '٤',
  ])('refuses %j', (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });
});

describe('parseSeconds', () => {
  it.each<[string, number]>([
    ['0', 0],
    ['90', 90],
    ['120s', 120],
    ['5m', 300],
    ['2h', 7_200],
  ])('takes %j for %d s', (text, seconds) => {
    expect(parseSeconds(text)).toBe(seconds);
  });

  it.each(['', 's', '-5', '1.5m', '1d', '5 m', '5M', '1h30m', '0x10', '9999999999', ' 5'])('refuses %j', (text) => {
    expect(parseSeconds(text)).toBeUndefined();
  });
});
