/** Rows of a table of decisions as tests: what is there, which acts follow, and what is said of it. */
import { expect, it } from 'vitest';
import { decide } from '../../../src/reconcile/decide-round.js';
import type { NodeFacts } from '../../../src/reconcile/node-facts.js';

export type Row = readonly [string, NodeFacts, readonly string[], RegExp?];

/** Acts by kind, and the reports as one text. */
async function decided(given: NodeFacts): Promise<{ acts: readonly string[]; said: string }> {
  const { acts, reports } = await decide(given);
  return { acts: acts.map(({ kind }) => kind), said: reports.map((one) => Object.values(one).join(' | ')).join('\n') };
}

export function rows(table: readonly Row[]): void {
  for (const [name, given, acts, words] of table) {
    it(name, async () => {
      const found = await decided(given);
      expect(found.acts).toEqual(acts);
      if (words === undefined) expect(found.said).toBe('');
      else expect(found.said).toMatch(words);
    });
  }
}
