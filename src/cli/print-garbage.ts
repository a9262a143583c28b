/** What `berth garbage` prints: a line for each piece that nothing explains, and what became of it. */
import type { GarbageReport, Removed } from '../volume/controller/garbage/find-garbage.js';
import type { Garbage } from '../volume/controller/garbage/garbage.js';

/** What is there; nothing was changed. */
export function printGarbage({ found, leftOut }: GarbageReport): string {
  const lines = found.map((one) => `${lineOf(one)}; ${fateOf(one)}`);
  const removable = found.filter(({ end }) => 'remove' in end).length;
  const count = `${found.length} found, of which --yes removes ${removable}; nothing was changed`;
  return textOf([...lines, ...leftOutLines(leftOut), found.length === 0 ? 'nothing that is not explained' : count]);
}

/** After `--yes`. */
export function printRemoved(ends: readonly Removed[], { leftOut }: GarbageReport): string {
  const lines = ends.map(({ garbage, outcome }) => `${lineOf(garbage)}; ${endOf(garbage, outcome)}`);
  const removed = ends.filter(({ outcome }) => outcome === 'removed').length;
  return textOf([...lines, ...leftOutLines(leftOut), `${ends.length} found, ${removed} removed`]);
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

const lineOf = ({ kind, cluster, where, says, since }: Garbage): string =>
  `${kind}  ${cluster}: ${where}  ${since === undefined ? 'of unknown age' : `since ${since}`}  ${says}`;

const fateOf = ({ end }: Garbage): string =>
  'keptBecause' in end ? `it stays: ${end.keptBecause}` : '--yes removes it';

function endOf(garbage: Garbage, outcome: Removed['outcome']): string {
  if (outcome instanceof Error) return `not removed: ${outcome.message}`;
  if (outcome === 'explained') return 'not removed: it has changed since';
  return outcome === 'removed' ? 'removed' : fateOf(garbage);
}

const leftOutLines = (leftOut: readonly string[]): readonly string[] => leftOut.map((one) => `not looked at: ${one}`);
