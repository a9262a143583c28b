/** docs/errors.md and the catalogue say the same, in both directions. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../../src/model/errors.js';

const page = new URL('../../../docs/errors.md', import.meta.url);
const ROW = /^\| `BERTH_([A-Z_]+)` \|.*$/gm;

const rowOf = (code: string, { status, says, todo }: { status: string; says: string; todo: string }): string =>
  `| \`${code}\` | ${status} | ${says} | ${todo} |`;

describe('docs/errors.md', () => {
  it('has one row for every code, in the order of the catalogue, with its status, meaning and advice', async () => {
    const text = await readFile(page, 'utf8');
    const expected = Object.entries(catalogue).map(([code, entry]) => rowOf(code, entry));
    expect([...text.matchAll(ROW)].map(([row]) => row)).toEqual(expected);
  });

  it('explains every status that the catalogue uses', async () => {
    const text = await readFile(page, 'utf8');
    const used = new Set(Object.values(catalogue).map(({ status }) => status));
    const explained = new Set([...text.matchAll(/^\| ([A-Z_]+) \|/gm)].map(([, status]) => status));
    expect([...explained].sort()).toEqual([...used].sort());
  });
});
