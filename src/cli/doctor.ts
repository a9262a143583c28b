/** `berth doctor`: what is wrong with this machine and its clusters, for a person at a terminal and for a script. */
import { parseArgs } from 'node:util';
import type { Finding, Level } from '../diagnosis/preflight.js';
import { worst } from '../diagnosis/preflight.js';

/** Documented in the usage; a script may rely on them. */
const EXIT_CODES: Readonly<Record<Level, number>> = { ok: 0, failed: 1, warning: 2 };
/** Column of the sentences, at most. */
const NAME_WIDTH = 44;

/** Undefined where the command line is not for the doctor; `rest` are the options that he shares with the driver. */
export function doctorArguments(
  args: readonly string[],
): { readonly json: boolean; readonly rest: string[] } | undefined {
  if (args[0] !== 'doctor') return undefined;
  const rest = args.slice(1);
  const { values } = parseArgs({ args: rest, options: { json: { type: 'boolean' } }, strict: false });
  return { json: values.json === true, rest: rest.filter((one) => one !== '--json') };
}

export const exitCodeOf = (findings: readonly Finding[]): number => EXIT_CODES[worst(findings)];

/** One object, so that more can be said later: `{"level":"warning","findings":[{"name","level","says"}]}`. */
export const asJson = (findings: readonly Finding[]): string =>
  `${JSON.stringify({ level: worst(findings), findings }, undefined, 2)}\n`;

/** What is wrong stands last, where a terminal ends. */
export function asTable(findings: readonly Finding[]): string {
  const order: readonly Level[] = ['ok', 'warning', 'failed'];
  const sorted = order.flatMap((level) => findings.filter((one) => one.level === level));
  const width = Math.min(NAME_WIDTH, Math.max(...sorted.map(({ name }) => name.length)));
  const lines = sorted.map(({ name, level, says }) => `${level.padEnd(7)}  ${name.padEnd(width)}  ${says}`);
  return `${lines.join('\n')}\n\n${summary(findings)}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (level: Level): number => findings.filter((one) => one.level === level).length;
  return `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`;
}
