import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GUESTS, guestCells } from '../../matrix/guests.js';
import { isGood, merged, placeOf, rowsOf, tableOf, type Row } from '../../matrix/matrix-table.js';
import { cellsOf, COLUMNS, RELEASES } from '../../matrix/releases.js';

const row = (ceph: string, client: string, first: string): Row => ({
  keys: [ceph, client],
  cells: Object.keys(COLUMNS).map(() => first),
  run: '2026-11-27, x64, Node 20.20.2',
});

describe('the table of releases', () => {
  it('is read as it was written', () => {
    const rows = [row('16', '18', '41'), row('20', '20', '**40 of 41**')];
    expect(rowsOf(RELEASES, `before\n\n${tableOf(RELEASES, rows)}\n\nafter`)).toEqual(rows);
  });

  it('has no rows where it was written with other columns, or not yet', () => {
    expect(rowsOf(RELEASES, 'Not run yet.')).toEqual([]);
    expect(rowsOf(RELEASES, '| cluster | client |\n| --- | --- |\n| 16 | 16 |')).toEqual([]);
  });

  it('a row that was run anew takes the place of its pair, and the others stay', () => {
    const rows = [row('16', '16', '41'), row('18', '16', '**1 of 41**')];
    const fresh = row('18', '16', '41');
    expect(merged(rows, fresh)).toEqual([rows[0], fresh]);
    expect(merged(rows, row('16', '20', '3')).map(({ keys }) => keys.join('/'))).toEqual(['16/16', '16/20', '18/16']);
  });

  it('counts the tests of each column, and shows those that did not pass', () => {
    const result = (file: string, ...statuses: string[]) => ({
      name: `/any/test/${file}`,
      assertionResults: statuses.map((status) => ({ status, fullName: 'any' })),
    });
    const cells = cellsOf({
      testResults: [
        result(COLUMNS['port contract'][0], 'passed', 'passed'),
        result(COLUMNS['port contract'][1], 'passed'),
        result(COLUMNS.fencing[0], 'passed', 'failed'),
      ],
    });
    expect(cells).toEqual(['3', 'not run', '**1 of 2**', 'not run', 'not run']);
    expect(isGood({ ...row('16', '16', '1'), cells })).toBe(false);
    expect(isGood(row('16', '16', '1'))).toBe(true);
    expect(cellsOf(undefined).every((cell) => cell === 'not run')).toBe(true);
  });
});

describe('the tables of guests', () => {
  const [kernels] = GUESTS as [(typeof GUESTS)[number]];

  it('count the tests of each file; of a run that was cut off nothing is known', () => {
    const files = [
      { name: 'krbd', passed: 14, failed: 0 },
      { name: 'busy', passed: 1, failed: 1 },
    ];
    expect(guestCells(kernels, { complete: true, failed: [], files })).toEqual([
      'not run',
      '14',
      '**1 of 2**',
      'not run',
    ]);
    expect(guestCells(kernels, undefined)).toEqual(['not run', 'not run', 'not run', 'not run']);
  });

  it('stand in the order of their versions, not of their letters', () => {
    const rows = ['7', '6.12', '6.1'].map((kernel): Row => ({ keys: [kernel], cells: [], run: '' }));
    const sorted = rows.reduce<readonly Row[]>((all, one) => merged(all, one), []);
    expect(sorted.map(({ keys }) => keys[0])).toEqual(['6.1', '6.12', '7']);
  });
});

describe('docs/versions.md', () => {
  const document = readFileSync('docs/versions.md', 'utf8');

  it.each([RELEASES, ...GUESTS])('has a place for the table $mark, with rows in it', (table) => {
    const [before, rows, behind] = placeOf(table, document);
    expect(before + rows + behind).toBe(document);
    expect(rowsOf(table, rows).length).toBeGreaterThan(0);
  });

  it('says where a table has no place', () => {
    expect(() => placeOf(RELEASES, 'nothing')).toThrow('no place for the table "matrix"');
  });
});
