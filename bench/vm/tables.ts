/** What ways did, and what it cost them, as two tables of Markdown. */
import { median } from '../figures.js';
import { PROGRAMS, type Effort, type Program } from './effort.js';
import { MEASURES, type Measure } from './loads.js';
import type { Results } from './meter.js';

/** Results of each round, of each way; the first way is what the others are compared with. */
export type All<Way extends string> = Readonly<Record<Way, readonly Results[]>>;

/** A processor that is busy for so much of the time is what a load waits for. */
const FULL = 0.9;

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const head = (title: string, ways: readonly string[]): readonly string[] => [
  row([title, ...ways]),
  `|---|${ways.map(() => '---:|').join('')}`,
];

const valuesOf = (rounds: readonly Results[], what: Measure): readonly number[] =>
  rounds.map((one) => one[what]?.done.perSecond ?? NaN);

/** Of each round by itself, since a noisy machine changes its pace from round to round. */
export function ratios(base: readonly Results[], way: readonly Results[], what: Measure): readonly number[] {
  const bases = valuesOf(base, what);
  return valuesOf(way, what).map((value, round) => value / (bases[round] ?? NaN));
}

const wasMeasured = <Way extends string>(all: All<Way>, ways: readonly Way[]): readonly Measure[] =>
  MEASURES.filter((what) => ways.some((way) => all[way].some((one) => one[what] !== undefined)));

export function ratesTable<Way extends string>(all: All<Way>, ways: readonly Way[]): readonly string[] {
  const base = all[ways[0]!];
  const cellOf = (way: Way, what: Measure): string => {
    const value = median(valuesOf(all[way], what));
    const text = value < 10 ? value.toFixed(1) : value.toFixed(0);
    const each = ratios(base, all[way], what);
    const spread = `${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}`;
    return way === ways[0] ? text : `${text} (${median(each).toFixed(2)}, ${spread})`;
  };
  return [
    ...head('median (ratio to the first, its least to its greatest)', ways),
    ...wasMeasured(all, ways).map((what) => row([what, ...ways.map((way) => cellOf(way, what))])),
  ];
}

/** Whose processor a load waited for; : none was full, requests wait for the disk, or in turn for everybody. */
export function limitOf({ guest, host }: Pick<Effort, 'guest' | 'host'>): 'guest' | 'host' | 'wait' {
  if (guest !== undefined && guest >= FULL) return 'guest';
  return host >= FULL ? 'host' : 'wait';
}

const percent = (value: number): string => `${(value * 100).toFixed(0)} %`;
const short = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0));

const LETTERS: Readonly<Record<Program, string>> = { QEMU: 'Q', virtiofsd: 'v', mapper: 'm', OSD: 'O' };

/** A program that kept a hundredth of a processor busy, and no less. */
const WORTH_SAYING = 0.01;

/** Medians of what the rounds cost. */
function effortText(each: readonly Effort[]): string {
  const of = (pick: (one: Effort) => number): number => median(each.map(pick));
  const host = of((one) => one.host);
  const guest = each[0]?.guest === undefined ? undefined : of((one) => one.guest ?? NaN);
  const busy = [...(guest === undefined ? [] : [percent(guest)]), `host ${percent(host)}`].join(', ');
  const programs = PROGRAMS.map((name) => ({ name, cores: of((one) => one.programs[name]) }))
    .filter(({ cores }) => cores >= WORTH_SAYING)
    .map(({ name, cores }) => `${LETTERS[name]} ${cores.toFixed(2)}`);
  const traffic = (['readKiB', 'writtenKiB', 'flushes'] as const)
    .map((name) => name.charAt(0) + short(of((one) => one.traffic[name])))
    .filter((text) => text.slice(1) !== '0.0');
  const parts = [busy, programs.join(' '), traffic.join(' ')].filter((text) => text !== '');
  return `**${limitOf({ guest, host })}**: ${parts.join('; ')}`;
}

/** What limits each: processors, programs of the host, and what reached the disk an operation. */
export function effortTable<Way extends string>(all: All<Way>, ways: readonly Way[]): readonly string[] {
  const cellOf = (way: Way, what: Measure): string => {
    const each = all[way].flatMap((one) => one[what]?.effort ?? []);
    return each.length === 0 ? '' : effortText(each);
  };
  return [
    ...head('what limits it', ways),
    ...wasMeasured(all, ways).map((what) => row([what, ...ways.map((way) => cellOf(way, what))])),
  ];
}
