/** The picture of a chain as SVG inside of the page: eight boxes in two rows, and arrows between them. */
import { html, type Html } from '../html/html.js';
import type { Box, BoxState } from './chain-boxes.js';

/** In units of the picture, which is as wide as its place. */
const WIDTH = 220;
const HEIGHT = 104;
const GAP = 44;
const ROW_GAP = 56;
const A_ROW = 4;
const EDGE = 6;
/** Characters that fit into a box; the whole text stands in its title, and below the picture. */
const FITS = 30;

/** With what a mark says that colour alone would not. */
const MARKS: Readonly<Record<BoxState, string>> = {
  first: '✕ broken',
  broken: '✕ suffers',
  unseen: '? not seen',
  none: '– none',
  whole: '',
};

export function drawChain(boxes: readonly Box[]): Html {
  const rows = Math.ceil(boxes.length / A_ROW);
  const width = A_ROW * WIDTH + (A_ROW - 1) * GAP + 2 * EDGE;
  const height = rows * HEIGHT + (rows - 1) * ROW_GAP + 2 * EDGE;
  const broken = boxes.filter(({ reason }) => reason !== '').map(({ title, reason }) => `${title}: ${reason}`);
  const label = broken.length === 0 ? 'The chain: no link is broken' : `The chain, broken at ${broken.join(', ')}`;
  return html`<svg class="chain" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
<defs>${['tip', 'tip-first'].map(tip)}</defs>
${boxes.map((one, index) => (index === 0 ? '' : arrow(index, one)))}
${boxes.map(box)}
</svg>`;
}

const tip = (id: string): Html => html`
<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="14" markerHeight="14"
orient="auto"><path class="${id}" d="M0 0 8 4 0 8z"/></marker>`;

const left = (index: number): number => EDGE + (index % A_ROW) * (WIDTH + GAP);
const top = (index: number): number => EDGE + Math.floor(index / A_ROW) * (HEIGHT + ROW_GAP);

/** To the right; from the end of a row down and back to the begin of the next one. */
function arrow(index: number, { state }: Box): Html {
  const middle = (of: number): number => top(of) + HEIGHT / 2;
  const isNewRow = index % A_ROW === 0;
  const from = left(index - 1) + WIDTH;
  const down = `M${from - WIDTH / 2} ${top(index - 1) + HEIGHT}V${top(index) - ROW_GAP / 2}`;
  const path = isNewRow
    ? `${down}H${left(index) + WIDTH / 2}V${top(index)}`
    : `M${from} ${middle(index)}H${left(index)}`;
  return html`<path class="arrow ${state}" d="${path}" marker-end="url(#${state === 'first' ? 'tip-first' : 'tip'})"/>`;
}

function box({ title, state, lines, reason }: Box, index: number): Html {
  const [x, y] = [left(index), top(index)];
  const line = (at: number, text: string, name: string): Html =>
    html`<text class="${name}" x="${x + 12}" y="${y + at}">${shortened(text)}</text>`;
  const mark = reason === '' ? MARKS[state] : `${MARKS[state]}: ${reason}`;
  return html`<g class="box ${state}"><title>${[title, mark, ...lines].join('\n')}</title>
<rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6"/>
${line(24, title, 'title')}
${lines.map((text, number) => line(47 + 19 * number, text, 'line'))}
${line(92, mark, 'mark')}</g>`;
}

/** The end of a name tells more than its middle. */
function shortened(text: string): string {
  if (text.length <= FITS) return text;
  const half = Math.floor((FITS - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}
