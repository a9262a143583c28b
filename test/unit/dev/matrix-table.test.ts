import { describe, expect, it } from 'vitest';
import { COLUMNS, cellsOf, isGood, merged, rowsOf, tableOf, type Row } from '../../matrix/matrix-table.js';

const row = (ceph: string, client: string, first: string): Row => ({
  ceph,
  client,
  cells: Object.keys(COLUMNS).map(() => first),
  run: '2026-11-27, x64, Node 20.20.2',
});

describe('the table of releases', () => {
  it('is read as it was written', () => {
    const rows = [row('16', '18', '41'), row('20', '20', '**40 of 41**')];
    expect(rowsOf(`before\n\n${tableOf(rows)}\n\nafter`)).toEqual(rows);
  });

  it('has no rows where it was written with other columns, or not yet', () => {
    expect(rowsOf('Not run yet.')).toEqual([]);
    expect(rowsOf('| cluster | client |\n| --- | --- |\n| 16 | 16 |')).toEqual([]);
  });

  it('a row that was run anew takes the place of its pair, and the others stay', () => {
    const rows = [row('16', '16', '41'), row('18', '16', '**1 of 41**')];
    const fresh = row('18', '16', '41');
    expect(merged(rows, fresh)).toEqual([rows[0], fresh]);
    expect(merged(rows, row('16', '20', '3')).map(({ ceph, client }) => `${ceph}/${client}`)).toEqual([
      '16/16',
      '16/20',
      '18/16',
    ]);
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
