/** The tables that a run of the bench prints. */
import { expect, it } from 'vitest';
import type { Effort } from '../../../bench/vm/effort.js';
import type { Results } from '../../../bench/vm/meter.js';
import { effortTable, limitOf, ratesTable, ratios } from '../../../bench/vm/tables.js';

const WHAT = 'slap insert, 50 clients, commits/s';

const effort = (guest: number | undefined, host: number): Effort => ({
  ...{ guest, host },
  programs: { QEMU: 1.02, virtiofsd: 0, mapper: 0.304, OSD: 0.12 },
  traffic: { readKiB: 0, writtenKiB: 3.14, flushes: 12.2 },
});

const round = (perSecond: number, cost: Effort): Results => ({
  [WHAT]: { done: { perSecond, operations: 100 }, effort: cost },
});

const all = {
  direct: [round(100, effort(0.95, 0.7)), round(300, effort(0.97, 0.8)), round(200, effort(0.96, 0.6))],
  shared: [round(50, effort(0.4, 0.92)), round(75, effort(0.3, 0.94)), round(150, effort(0.2, 0.96))],
  host: [round(8, effort(undefined, 0.5)), round(9, effort(undefined, 0.5)), round(9.5, effort(undefined, 0.5))],
};
const WAYS = ['direct', 'shared', 'host'] as const;

it('three rounds: the median, and the ratio of each round to the first way', () => {
  expect(ratesTable(all, WAYS)).toEqual([
    '| median (ratio to the first, its least to its greatest) | direct | shared | host |',
    '|---|---:|---:|---:|',
    `| ${WHAT} | 200 | 75 (0.50, 0.25 to 0.75) | 9.0 (0.05, 0.03 to 0.08) |`,
  ]);
  expect(ratios(all.direct, all.shared, WHAT)).toEqual([0.5, 0.25, 0.75]);
});

it('three rounds: what each way waits for, who is busy, and what reaches the disk', () => {
  const rest = 'Q 1.02 m 0.30 O 0.12; w3.1 f12';
  const busy = ['**guest**: 96 %, host 70 %', '**host**: 30 %, host 94 %', '**wait**: host 50 %'];
  const cells = busy.map((text) => `${text}; ${rest}`);
  expect(effortTable(all, WAYS)).toEqual([
    '| what limits it | direct | shared | host |',
    '|---|---:|---:|---:|',
    `| ${[WHAT, ...cells].join(' | ')} |`,
  ]);
});

it.each([
  [0.9, 1, 'guest'],
  [0.89, 0.9, 'host'],
  [0.89, 0.89, 'wait'],
  [undefined, 0.95, 'host'],
] as const)(
  "a guest's processor busy for %s and the host's for %s: the load waits for the %s",
  (guest, host, limit) => {
    expect(limitOf({ guest, host })).toBe(limit);
  },
);
