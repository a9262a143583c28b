/** What came and what went between two rounds, by the reports' keys. */
import { describe, expect, it } from 'vitest';
import { changesBetween } from '../../../src/reconcile/changes.js';

const report = (subject: string, says: string) => ({ subject, says });
const keyOf = ({ subject }: { readonly subject: string }): string => subject;

describe('changesBetween', () => {
  it('names what came and what went, and leaves out what stayed with another text', () => {
    const before = [report('a', 'first'), report('b', 'first')];
    const next = [report('b', 'second'), report('c', 'second')];
    expect(changesBetween(before, next, keyOf)).toEqual({
      came: [report('c', 'second')],
      gone: [report('a', 'first')],
    });
  });

  it('finds no change between equal rounds', () => {
    expect(changesBetween([report('a', 'first')], [report('a', 'first')], keyOf)).toEqual({ came: [], gone: [] });
  });
});
