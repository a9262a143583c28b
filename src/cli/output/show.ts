/** Prints what a command saw in the form that was asked for, once or again and again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { ExitCode } from '../exit-codes.js';
import { forTerminal, type Terminal } from './terminal.js';

export const OUTPUTS = ['table', 'wide', 'json', 'yaml'] as const;
export type Output = (typeof OUTPUTS)[number];

/** What a command saw, before it is put into words. */
export interface Sight {
  /** For json and yaml. */
  readonly data: unknown;
  /** @param isWide nothing is cut or left out */
  readonly text: (isWide: boolean) => string;
  readonly code: ExitCode;
}

export interface ShowSettings {
  readonly output: Output;
  /** Between two looks, in ms; undefined for one look. */
  readonly everyMs: number | undefined;
}

export interface Screen {
  readonly print: (text: string) => void;
  /** Beside what is printed: for people, where a program reads that. */
  readonly warn: (text: string) => void;
  readonly terminal: Terminal | undefined;
  /** Ends the looks. */
  readonly signal: AbortSignal;
}

const CLEAR = '\u001b[H\u001b[2J';

/** The exit code of the last look. Errors of the first look are thrown; a later one is shown, and looked past. */
export async function show(
  look: () => Promise<Sight>,
  { output, everyMs }: ShowSettings,
  screen: Screen,
): Promise<ExitCode> {
  const { print, warn, terminal, signal } = screen;
  let seen = await look();
  if (everyMs === undefined) {
    print(textOf(seen, output, terminal));
    return seen.code;
  }
  const { code } = seen;
  let last = code;
  const isForPrograms = output === 'json' || output === 'yaml';
  const isOver = (): boolean => signal.aborted;
  for (let failure: string | undefined; !isOver(); ) {
    // What a program reads has documents in it, and nothing else.
    if (failure !== undefined && isForPrograms) warn(failure);
    else print(`${headOf(output, terminal)}${textOf(seen, output, terminal)}${failure ?? ''}`);
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    if (isOver()) break;
    try {
      seen = await look();
      failure = undefined;
      last = seen.code;
    } catch (error) {
      failure = `${error instanceof Error ? error.message : String(error)}\n`;
    }
  }
  return last;
}

/** Between two looks. */
function headOf(output: Output, terminal: Terminal | undefined): string {
  if (output === 'json') return '';
  if (output === 'yaml') return '---\n';
  return terminal === undefined ? `# ${new Date().toISOString()}\n` : CLEAR;
}

export function textOf({ data, text }: Sight, output: Output, terminal: Terminal | undefined): string {
  if (output === 'json') return `${JSON.stringify(data, plain, 2)}\n`;
  if (output === 'yaml') return stringify(JSON.parse(JSON.stringify(data, plain)), { lineWidth: 0 });
  const shown = text(output === 'wide');
  return terminal === undefined || output === 'wide' ? shown : forTerminal(shown, terminal);
}

/** Bytes are whole numbers that JSON has no type for. */
const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
