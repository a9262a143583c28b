/** A recorded terminal as one SVG file that plays by itself: no script, no font, no file beside it. */

/** One line of a terminal, and when it came, in ms from the beginning. */
export interface RecordedLine {
  readonly atMs: number;
  readonly text: string;
}

const ROWS = 30;
const COLUMNS = 120;
const LINE_PX = 17;
const CHAR_PX = 7.25;
const MARGIN_PX = 14;
/** Nobody waits longer for the next line, ms; what is slower is shown by its own time in the first column. */
const LONGEST_PAUSE_MS = 1_200;

/**
 * @param title what one hears or reads where it is not seen
 * @returns the text of the file; it ends on the last screen, which is also what is shown where motion is not wanted
 */
export function recordingSvg(title: string, recorded: readonly RecordedLine[]): string {
  const lines = recorded.flatMap(({ atMs, text }) => wrapped(text).map((part) => ({ atMs, text: part })));
  const at = shownAt(lines);
  const columns = Math.max(80, ...lines.map(({ text }) => text.length));
  const width = Math.ceil(columns * CHAR_PX) + 2 * MARGIN_PX;
  const rows = Math.min(ROWS, lines.length);
  const height = rows * LINE_PX + 2 * MARGIN_PX;
  const scrolled = Math.max(0, lines.length - rows);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    '  role="img" aria-labelledby="title">',
    `<title id="title">${escaped(title)}</title>`,
    `<style>${style(at, rows, scrolled)}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#10151c"/>`,
    `<svg x="${MARGIN_PX}" y="${MARGIN_PX}" width="${width - 2 * MARGIN_PX}" height="${rows * LINE_PX}">`,
    '<g class="all">',
    ...lines.map(({ text }, row) => lineOf(text, row, at[row] ?? 0)),
    '</g></svg>',
    '</svg>',
    '',
  ].join('\n');
}

/** As a terminal that knows tables would break it: the rest stands below the beginning of the last column. */
function wrapped(text: string): readonly string[] {
  if (text.length <= COLUMNS) return [text];
  const indent = /^.{0,60}\s{2}(?=\S)/u.exec(text)?.[0].length ?? 0;
  const space = text.lastIndexOf(' ', COLUMNS);
  const end = space > indent ? space : COLUMNS;
  return [text.slice(0, end), ...wrapped(' '.repeat(indent) + text.slice(end).trimStart())];
}

/** When each line is shown, ms: as it came, with the long pauses made short. */
function shownAt(lines: readonly RecordedLine[]): readonly number[] {
  let shown = 0;
  let before = 0;
  return lines.map(({ atMs }) => {
    shown += Math.min(Math.max(atMs - before, 0), LONGEST_PAUSE_MS);
    before = atMs;
    return shown;
  });
}

function style(at: readonly number[], rows: number, scrolled: number): string {
  const total = Math.max(1, at.at(-1) ?? 1);
  const offset = (lines: number): string => `transform:translateY(${-lines * LINE_PX}px)`;
  const steps = at
    .slice(rows)
    .map((ms, index) => `${((ms / total) * 100).toFixed(2)}%{${offset(index + 1)}}`)
    .join('');
  return [
    `text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d7dee8;white-space:pre}`,
    '.head{fill:#7fd1b9}',
    '@keyframes come{from{opacity:0}to{opacity:1}}',
    'text{animation:come 1ms both}',
    `@keyframes scroll{0%{${offset(0)}}${steps}100%{${offset(scrolled)}}}`,
    `.all{${offset(scrolled)};animation:scroll ${total}ms step-end both}`,
    '@media(prefers-reduced-motion:reduce){text,.all{animation:none}}',
  ].join('');
}

function lineOf(text: string, row: number, atMs: number): string {
  const kind = text.trimStart().startsWith('-- ') || text.startsWith('$ ') ? ' class="head"' : '';
  const y = row * LINE_PX + 13;
  return `<text y="${y}"${kind} style="animation-delay:${Math.round(atMs)}ms">${escaped(text)}</text>`;
}

/** Control characters, of colours above all, have no place in XML. */
const escaped = (text: string): string =>
  text
    .replaceAll(/\u001b\[[0-9;]*m|[\u0000-\u001f]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
