/** The table of `berth doctor`. */
import type { Finding, Level } from '../model/finding.js';

/** Column of the sentences, at most. */
const NAME_WIDTH = 44;

/** What is wrong stands last, where a terminal ends. */
export function printTable(findings: readonly Finding[]): string {
  const order: readonly Level[] = ['ok', 'warning', 'failed'];
  const sorted = order.flatMap((level) => findings.filter((one) => one.level === level));
  const width = Math.min(NAME_WIDTH, Math.max(...sorted.map(({ name }) => name.length)));
  const lines = sorted.map(({ name, level, says }) => `${level.padEnd(7)}  ${name.padEnd(width)}  ${says}`);
  return `${lines.join('\n')}\n\n${summaryLine(findings)}\n`;
}

function summaryLine(findings: readonly Finding[]): string {
  const count = (level: Level): number => findings.filter((one) => one.level === level).length;
  return `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`;
}
