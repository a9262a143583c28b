/** Writes a conditional tree as YAML with Go's templates in it, as Helm reads them. */
import type { Condition, Part, Piece } from './conditional-tree.js';
import { formatOf, hasToken, onlyToken } from './token.js';

const PLAIN = /^[A-Za-z/][\w./-]*$/;
const NOT_TEXT = /^(true|false|null|yes|no|on|off|y|n)$/i;
const STEP = '  ';

const value = (setting: string): string => `.Values.${setting}`;
const test = ({ setting, is }: Condition): string => (is ? value(setting) : `not ${value(setting)}`);
/** What Go would read as an action of its own. */
const escaped = (text: string): string => text.replaceAll('{{', '{{ "{{" }}');

/** The documents, each with its `---`. @param counts settings that are numbers */
export function writeTemplate(objects: readonly Piece[], counts: Counts): string {
  return objects
    .map(({ when, part }) => `${guarded(when, ['---', ...linesOf(part, '', counts)]).join('\n')}\n`)
    .join('');
}

/** Settings that are numbers, and no text. */
type Counts = ReadonlySet<string>;

const guarded = (when: Condition | undefined, lines: readonly string[]): readonly string[] =>
  when === undefined ? lines : [`{{- if ${test(when)} }}`, ...lines, '{{- end }}'];

function linesOf(part: Part, indent: string, counts: Counts): readonly string[] {
  if (part.kind === 'map') return part.entries.flatMap((entry) => guarded(entry.when, fieldOf(entry, indent, counts)));
  if (part.kind === 'list') return part.items.flatMap((item) => guarded(item.when, itemOf(item.part, indent, counts)));
  throw new Error('a document is neither a map nor a list');
}

function fieldOf({ key, part }: { readonly key: string; readonly part: Part }, indent: string, counts: Counts) {
  const map = onlyToken(key);
  if (map !== undefined) return rangeOf(map, indent);
  const head = `${indent}${PLAIN.test(key) ? key : escaped(JSON.stringify(key))}:`;
  if (part.kind === 'scalar' || part.kind === 'choice') return withScalar(`${head} `, part, indent + STEP, counts);
  if (isEmpty(part)) return [`${head} ${part.kind === 'map' ? '{}' : '[]'}`];
  return [head, ...linesOf(part, indent + STEP, counts)];
}

function itemOf(part: Part, indent: string, counts: Counts): readonly string[] {
  if (part.kind === 'scalar' || part.kind === 'choice') return withScalar(`${indent}- `, part, indent + STEP, counts);
  const [first = '', ...rest] = linesOf(part, indent + STEP, counts);
  if (first.startsWith('{{')) throw new Error('the first field of an item is conditional');
  return [`${indent}- ${first.slice(indent.length + STEP.length)}`, ...rest];
}

/** A list or map of which all may be missing would become null. */
function isEmpty(part: Extract<Part, { kind: 'map' | 'list' }>): boolean {
  const pieces: readonly Piece[] = part.kind === 'map' ? part.entries : part.items;
  if (pieces.length > 0 && pieces.every(({ when }) => when !== undefined)) throw new Error('all of it is conditional');
  return pieces.length === 0;
}

const rangeOf = (setting: string, indent: string): readonly string[] => [
  `${indent}{{- range $name, $value := ${value(setting)} }}`,
  `${indent}{{ $name }}: {{ $value | quote }}`,
  `${indent}{{- else }}`,
  `${indent}{}`,
  `${indent}{{- end }}`,
];

type Leaf = Extract<Part, { kind: 'scalar' | 'choice' }>;

function withScalar(head: string, part: Leaf, indent: string, counts: Counts): readonly string[] {
  const text = part.kind === 'scalar' && typeof part.value === 'string' ? part.value : '';
  if (/^\S[^]*\n/.test(text) && !hasToken(text)) return blockOf(head, text, indent);
  return [`${head}${leafOf(part, counts)}`];
}

function blockOf(head: string, text: string, indent: string): readonly string[] {
  const ends = text.endsWith('\n');
  const lines = (ends ? text.slice(0, -1) : text).split('\n');
  return [`${head}|${ends ? '' : '-'}`, ...lines.map((line) => (line === '' ? '' : `${indent}${escaped(line)}`))];
}

function leafOf(part: Part, counts: Counts): string {
  if (part.kind === 'choice') {
    const { setting, yes, no } = part;
    return `{{ if ${value(setting)} }}${leafOf(yes, counts)}{{ else }}${leafOf(no, counts)}{{ end }}`;
  }
  if (part.kind !== 'scalar') throw new Error('a choice is between two values only');
  if (typeof part.value !== 'string') return String(part.value);
  return textOf(part.value, counts);
}

function textOf(text: string, counts: Counts): string {
  const only = onlyToken(text);
  if (only !== undefined) return counts.has(only) ? `{{ int ${value(only)} }}` : `{{ ${value(only)} | quote }}`;
  if (!hasToken(text)) return PLAIN.test(text) && !NOT_TEXT.test(text) ? text : escaped(JSON.stringify(text));
  const { format, settings } = formatOf(text);
  return `{{ printf ${JSON.stringify(format)} ${settings.map(value).join(' ')} | quote }}`;
}
