/** Rows as columns that fit a terminal: what is too wide is cut in its middle, where names differ least. */

/** Cells of a row, by the headings of the columns. */
export type Row<Heading extends string> = Readonly<Record<Heading, string>>;

/** Of all tables: no wider than people's terminals. */
export const TABLE_WIDTH = 100;
const GAP = '  ';
/** A column is never cut below this: then a table is wider than it should be. */
const LEAST = 6;

/**
 * Headings and rows, one line each, never wrapped.
 * @param width of the longest line; undefined cuts nothing
 */
export function columns<Heading extends string>(
  headings: readonly Heading[],
  rows: readonly Row<Heading>[],
  width: number | undefined,
): string {
  const wanted = headings.map((one) => Math.max(one.length, ...rows.map((row) => row[one].length)));
  const widths = width === undefined ? wanted : fitted(wanted, headings, width);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => cut(cell, widths[at] ?? 0).padEnd(widths[at] ?? 0))
      .join(GAP)
      .trimEnd();
  const lines = [headings.map((one) => one.toUpperCase()), ...rows.map((row) => headings.map((one) => row[one]))];
  return lines.map((cells) => `${line(cells)}\n`).join('');
}

/** The widest column gives way first. */
function fitted(wanted: readonly number[], headings: readonly string[], width: number): readonly number[] {
  const widths = [...wanted];
  const least = headings.map((one) => Math.max(LEAST, one.length));
  const sum = (): number => widths.reduce((a, b) => a + b, GAP.length * (widths.length - 1));
  while (sum() > width) {
    const spare = widths.map((one, at) => (one > (least[at] ?? 0) ? one : 0));
    const widest = spare.indexOf(Math.max(...spare));
    if (Math.max(...spare) === 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`;
}
