/**
 * Our own documents as HTML, so that they are at hand where no internet is: headings, paragraphs, lists, tables, code.
 * It is for files that we ship, and everything in them is escaped all the same.
 */
import { html, type Html, type Piece } from '../html/html.js';

/** As GitHub makes an anchor of a heading. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

/**
 * @param linkOf where a link of the document leads: `operations.md#fences`; undefined for what is not at hand, which is
 *   written as a text
 */
export function renderMarkdown(text: string, linkOf: (target: string) => string | undefined): Html {
  const blocks: Html[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; ) {
    const { block, next } = blockAt(lines, at, linkOf);
    if (block !== undefined) blocks.push(block);
    at = next;
  }
  return html`${blocks}`;
}

type LinkOf = (target: string) => string | undefined;
interface Block {
  readonly block: Html | undefined;
  /** The first line behind it. */
  readonly next: number;
}

function blockAt(lines: readonly string[], at: number, linkOf: LinkOf): Block {
  const line = lines[at] ?? '';
  const [, marks, heading = ''] = /^(#{1,4}) (.+)$/.exec(line) ?? [];
  if (line.trim() === '') return { block: undefined, next: at + 1 };
  if (marks !== undefined) return { block: headingOf(marks.length, heading, linkOf), next: at + 1 };
  if (line.startsWith('```')) return codeAt(lines, at);
  if (line.startsWith('|')) return tableAt(lines, at, linkOf);
  if (ITEM.test(line)) return listAt(lines, at, linkOf);
  const next = endOf(lines, at, (one) => one.trim() === '' || /^(#|```|\|)/.test(one) || ITEM.test(one));
  return { block: html`<p>${inline(lines.slice(at, next).join(' '), linkOf)}</p>\n`, next };
}

const ITEM = /^\s*(?:-|\d+\.) /;

/** The first line from the one behind `at` on that ends the block. */
function endOf(lines: readonly string[], at: number, ends: (line: string) => boolean): number {
  const index = lines.slice(at + 1).findIndex(ends);
  return index < 0 ? lines.length : at + 1 + index;
}

function headingOf(level: number, text: string, linkOf: LinkOf): Html {
  const content = inline(text, linkOf);
  const id = anchorOf(text);
  if (level === 1) return html`<h1 id="${id}">${content}</h1>\n`;
  return level === 2 ? html`<h2 id="${id}">${content}</h2>\n` : html`<h3 id="${id}">${content}</h3>\n`;
}

function codeAt(lines: readonly string[], at: number): Block {
  const end = endOf(lines, at, (line) => line.startsWith('```'));
  return { block: html`<pre><code>${lines.slice(at + 1, end).join('\n')}</code></pre>\n`, next: end + 1 };
}

function tableAt(lines: readonly string[], at: number, linkOf: LinkOf): Block {
  const next = endOf(lines, at, (line) => !line.startsWith('|'));
  const [head = '', , ...rest] = lines.slice(at, next);
  const cells = (line: string): readonly Html[] =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => inline(cell.trim().replaceAll('\\|', '|'), linkOf));
  const block = html`<table><thead><tr>${cells(head).map((one) => html`<th>${one}</th>`)}</tr></thead>
<tbody>${rest.map((line) => html`<tr>${cells(line).map((one) => html`<td>${one}</td>`)}</tr>\n`)}</tbody></table>\n`;
  return { block, next };
}

/** An item goes on in lines that are indented. */
function listAt(lines: readonly string[], at: number, linkOf: LinkOf): Block {
  const next = endOf(lines, at, (line) => !ITEM.test(line) && !/^\s+\S/.test(line));
  const items: string[] = [];
  for (const line of lines.slice(at, next)) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ''));
    else items.push(`${items.pop() ?? ''} ${line.trim()}`);
  }
  const list = items.map((one) => html`<li>${inline(one, linkOf)}</li>\n`);
  const isNumbered = /^\s*\d/.test(lines[at] ?? '');
  return { block: isNumbered ? html`<ol>${list}</ol>\n` : html`<ul>${list}</ul>\n`, next };
}

/** Code first, for nothing in it means anything; then links, then what is bold. */
const INLINE = /`([^`]+)`|\[((?:[^\]`]|`[^`]*`)+)\]\(([^)\s]+)\)|\*\*([^*]+)\*\*/g;

function inline(text: string, linkOf: LinkOf): Html {
  const pieces: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, code, label, target = '', bold] = found;
    pieces.push(text.slice(from, found.index));
    if (code !== undefined) pieces.push(html`<code>${code}</code>`);
    else if (bold !== undefined) pieces.push(html`<strong>${inline(bold, linkOf)}</strong>`);
    else if (label !== undefined) pieces.push(link(inline(label, linkOf), linkOf(target)));
    from = found.index + whole.length;
  }
  return html`${[...pieces, text.slice(from)]}`;
}

const link = (label: Html, address: string | undefined): Html =>
  address === undefined ? label : html`<a href="${address}">${label}</a>`;
