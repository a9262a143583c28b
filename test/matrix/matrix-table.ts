/**
 * The tables of docs/versions.md, read and written: a row for each thing that was run. A run of some keeps the rows of
 * the others, so that the whole may be run in pieces.
 */

export interface Table {
  /** Stands in the comment before it. */
  readonly mark: string;
  /** What tells rows apart: `cluster`, `client`. */
  readonly keys: readonly string[];
  /** By the names of the columns that count tests. */
  readonly columns: readonly string[];
}

export const NOT_RUN = 'not run';
const LAST = 'run on';

export interface Row {
  readonly keys: readonly string[];
  /** One for each column: `41`, `**40 of 41**`, or {@link NOT_RUN}. */
  readonly cells: readonly string[];
  /** The day, and with what: `2026-11-27, x64, Node 20.20.2`. */
  readonly run: string;
}

/** A cell for what was run of one column. */
export function cellOf({ passed, of }: { readonly passed: number; readonly of: number }): string {
  if (of === 0) return NOT_RUN;
  return passed === of ? String(passed) : `**${passed} of ${of}**`;
}

/** Was every test of it run, and did it pass? */
export const isGood = ({ cells }: Row): boolean => cells.every((cell) => /^\d+$/.test(cell));

const headOf = ({ keys, columns }: Table): readonly string[] => [...keys, ...columns, LAST];

/** The rows of a table that {@link tableOf} wrote; one with other columns has none that count. */
export function rowsOf(table: Table, text: string): readonly Row[] {
  const [head, , ...lines] = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1, line.lastIndexOf('|')).split('|'))
    .map((words) => words.map((word) => word.trim()));
  if (head?.join() !== headOf(table).join()) return [];
  const first = table.keys.length;
  return lines.map((words) => ({
    keys: words.slice(0, first),
    cells: words.slice(first, -1),
    run: words.at(-1) ?? '',
  }));
}

/** `fresh` takes the place of the row with its keys, or comes in beside the others, in the order of their versions. */
export const merged = (rows: readonly Row[], fresh: Row): readonly Row[] =>
  [...rows.filter(({ keys }) => keys.join() !== fresh.keys.join()), fresh].sort((a, b) =>
    a.keys.join().localeCompare(b.keys.join(), 'en', { numeric: true }),
  );

export function tableOf(table: Table, rows: readonly Row[]): string {
  const head = headOf(table);
  const lines = [head, head.map(() => '---'), ...rows.map(({ keys, cells, run }) => [...keys, ...cells, run])];
  return lines.map((words) => `| ${words.join(' | ')} |`).join('\n');
}

const beginOf = ({ mark }: Table): string => `<!-- ${mark}: written by npm run test:matrix -->`;
const endOf = ({ mark }: Table): string => `<!-- end of ${mark} -->`;

/** Where the table stands in a document: before it, itself, behind it. Throws where there is no place for it. */
export function placeOf(table: Table, document: string): readonly [string, string, string] {
  const [begin, end] = [document.indexOf(beginOf(table)), document.indexOf(endOf(table))];
  if (begin < 0 || end < begin) throw new Error(`there is no place for the table "${table.mark}"`);
  const from = begin + beginOf(table).length;
  return [document.slice(0, from), document.slice(from, end), document.slice(end)];
}
