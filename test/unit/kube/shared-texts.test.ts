/** What very many objects have in common is there once; what is too much of it keeps its own copies. */
import { expect, it } from 'vitest';
import { SharedTexts } from '../../../src/kube/shared-texts.js';

it('lists that are equal are one, and a list that differs in a letter or its end is another', () => {
  const shared = new SharedTexts();
  const first = shared.list(['a', 'b']);
  expect(shared.list(['a', 'b'])).toBe(first);
  expect(shared.list(['a', 'c'])).not.toBe(first);
  expect(shared.list(['a'])).toEqual(['a']);
  expect(shared.list([])).toEqual([]);
});

it('texts and lists beyond ten thousand are answered as they came', () => {
  const shared = new SharedTexts();
  for (let n = 0; n < 10_000; n += 1) shared.list([`f${n}`]);
  const late = ['late'];
  expect(shared.list(late)).toBe(late);
  expect(shared.list(['late'])).not.toBe(late);
  expect(shared.text('late')).toBe('late');
});
