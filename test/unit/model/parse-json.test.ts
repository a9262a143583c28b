/** JSON of others: its value, or undefined for a text that is none. */
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../../src/model/parse-json.js';

describe('parseJson', () => {
  it.each([
    ['{"a":[1]}', { a: [1] }],
    ['null', null],
    ['"text"', 'text'],
  ])('answers the value of %s', (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  it.each(['', 'undefined', '{"a":', '{} {}'])('answers undefined for %j', (text) => {
    expect(parseJson(text)).toBeUndefined();
  });
});
