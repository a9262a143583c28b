/** What `berth garbage` prints before and after it removes. */
import { expect, it } from 'vitest';
import { printGarbage, printRemoved } from '../../../src/cli/print-garbage.js';
import { parseCommandLine } from '../../../src/cli/command-line.js';
import { berthError } from '../../../src/model/errors.js';
import type { Garbage } from '../../../src/volume/controller/garbage/garbage.js';

const one = { cluster: 'c1', since: '2026-01-01T00:00:00.000Z' } as const;
const remove = () => Promise.resolve(true);
const cut: Garbage = { ...one, kind: 'clone-snapshot', where: 'rbd/i@berth-clone-x', says: 'a cut', end: { remove } };
const volume: Garbage = {
  ...one,
  kind: 'volume',
  where: 'rbd/i',
  says: 'a volume',
  end: { keptBecause: 'it has data' },
};
const unknown: Garbage = { ...cut, kind: 'unfinished-create', since: undefined };

it('says of each what it is, since when, and whether --yes removes it', () => {
  expect(printGarbage({ found: [cut, volume, unknown], leftOut: ['c1/fast: away'] })).toBe(
    [
      'clone-snapshot  c1: rbd/i@berth-clone-x  since 2026-01-01T00:00:00.000Z  a cut; --yes removes it',
      'volume  c1: rbd/i  since 2026-01-01T00:00:00.000Z  a volume; it stays: it has data',
      'unfinished-create  c1: rbd/i@berth-clone-x  of unknown age  a cut; --yes removes it',
      'not looked at: c1/fast: away',
      '3 found, of which --yes removes 2; nothing was changed',
      '',
    ].join('\n'),
  );
  expect(printGarbage({ found: [], leftOut: [] })).toBe('nothing that is not explained\n');
});

it('says of each what became of it', () => {
  const error = berthError('BERTH_KUBE_OFF', { what: 'it' });
  const ends = [cut, cut, cut, volume].map((garbage, n) => ({
    garbage,
    outcome: (['removed', 'explained', error, 'kept'] as const)[n]!,
  }));
  const lines = printRemoved(ends, { found: [], leftOut: [] }).split('\n');
  expect(lines.map((line) => line.split('; ')[1])).toEqual([
    'removed',
    'not removed: it has changed since',
    expect.stringContaining('not removed: BERTH_KUBE_OFF') as string,
    'it stays: it has data',
    undefined,
    undefined,
  ]);
  expect(lines.at(-2)).toBe('4 found, 1 removed');
});

it('changes nothing without --yes', () => {
  expect(parseCommandLine(['garbage'], {})).toMatchObject({ kind: 'garbage', yes: false });
  expect(parseCommandLine(['garbage', '--yes', '--services', 'controller'], {})).toMatchObject({ yes: true });
});
