/** What only a terminal gets: long lines wrapped below where their text begins, and colour. A pipe gets neither. */
import { TABLE_WIDTH } from './columns.js';

export interface Terminal {
  /** Of the screen, in characters. */
  readonly columns: number;
  readonly hasColour: boolean;
}

/** Undefined where the output is no terminal. NO_COLOR (no-color.org) and TERM=dumb switch colour off. */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
): Terminal | undefined {
  if (stream.isTTY !== true) return undefined;
  const { NO_COLOR: noColour = '', TERM: term = '' } = env;
  return { columns: stream.columns ?? TABLE_WIDTH, hasColour: noColour === '' && term !== 'dumb' };
}

/** As a person reads it there. */
export function forTerminal(text: string, { columns, hasColour }: Terminal): string {
  const width = Math.min(columns, TABLE_WIDTH);
  const lines = text.split('\n').map((line) => {
    const shown = wrapped(line, width);
    return hasColour ? painted(shown) : shown;
  });
  return lines.join('\n');
}

/** Continued below the last of its columns, which two spaces part from the one before. */
export function wrapped(line: string, width: number): string {
  if (line.length <= width) return line;
  const found = /^(?:\S+(?: \S+)* {2,}){1,2}/.exec(line)?.[0].length ?? 0;
  const indent = found > width / 2 ? 2 : found;
  const parts: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    // A path or an address that is longer than a line stays whole, to be copied.
    const at = space > indent ? space : rest.indexOf(' ', width);
    if (at < 0) break;
    parts.push(rest.slice(0, at));
    rest = `${' '.repeat(indent)}${rest.slice(at + 1)}`;
  }
  return [...parts, rest].join('\n');
}

const RED = 31;
const GREEN = 32;
const YELLOW = 33;
/** By the first word of a line. */
const COLOURS: readonly (readonly [RegExp, number])[] = [
  [/^broken +nothing/, GREEN],
  [/^(failed|broken)\b/, RED],
  [/^(warning|then)\b/, YELLOW],
  [/^ok\b/, GREEN],
];

function painted(line: string): string {
  const colour = COLOURS.find(([pattern]) => pattern.test(line))?.[1];
  if (colour === undefined) return line;
  const word = /^\S+/.exec(line)?.[0] ?? '';
  return `\u001b[${colour}m${word}\u001b[0m${line.slice(word.length)}`;
}
