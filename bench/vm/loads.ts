/** What is measured of a disk: fio, many small files, and MariaDB under mariadb-slap. All are rates: more is better. */
import type { Done, Meter } from './effort.js';
import type { Place } from './place.js';

export interface Amounts {
  /** Of one run of fio, s. */
  readonly seconds: number;
  readonly files: number;
  /** Of one run of mariadb-slap. */
  readonly queries: number;
}

/** Names of what is measured, with their units, in the order of the table. */
export const MEASURES = [
  'write 1M, MB/s',
  'read 1M, MB/s',
  'randread 4k, /s',
  'randwrite 4k with fsync, /s',
  'untar, files/s',
  'git status, files/s',
  'slap mixed, 50 clients, queries/s',
  'slap mixed, 100 clients, queries/s',
  'slap mixed, 150 clients, queries/s',
  'slap insert, 50 clients, commits/s',
  'short insert, 50 clients, commits/s',
  'short insert, 1 client, commits/s',
] as const;
export type Measure = (typeof MEASURES)[number];
/** What says whether a direct block device is worth it. */
export const COMMITS: Measure = 'slap insert, 50 clients, commits/s';

export const FIO_MIB = 64;
/** On the volume: an archive of a repository of git with small files. */
export const ARCHIVE = 'archive.tar';
export const GIT = ['/usr/bin/git', '-C', '/volume/files'] as const;
const CLIENTS = [50, 100, 150] as const;
/** One client waits for each of its commits. */
const ALONE = 10;

interface Load {
  readonly what: Measure;
  readonly run: (place: Place, amounts: Amounts) => Promise<Done>;
}

/** A load on the server that is at this address of a client. */
interface Query {
  readonly what: Measure;
  readonly run: (place: Place, amounts: Amounts, address: readonly string[]) => Promise<Done>;
}

/** Fields of fio's terse output (version 3), counted from 0. */
const READ = { KiB: 5, bandwidthKiB: 6, rate: 7 };
const WRITE = { KiB: 46, bandwidthKiB: 47, rate: 48 };

async function fio(place: Place, seconds: number, more: readonly string[]): Promise<readonly number[]> {
  const all = ['--name=job', '--filename=/volume/fio', `--size=${FIO_MIB}M`, '--ioengine=psync', '--direct=1'];
  const time = [`--runtime=${seconds}`, '--time_based', '--minimal'];
  const text = await place.program(['/usr/bin/fio', ...all, ...time, ...more]);
  const line = text.split('\n').find((one) => one.startsWith('3;'));
  if (line === undefined) throw new Error(`fio says: ${text.slice(0, 500)}`);
  return line.split(';').map(Number);
}

const large = (fields: readonly number[], side: typeof READ): Done => ({
  perSecond: ((fields[side.bandwidthKiB] ?? NaN) * 1_024) / 1e6,
  operations: (fields[side.KiB] ?? NaN) / 1_024,
});
const small = (fields: readonly number[], side: typeof READ): Done => ({
  perSecond: fields[side.rate] ?? NaN,
  operations: (fields[side.KiB] ?? NaN) / 4,
});

/** The first one makes the file that the others read. */
const DISK: readonly Load[] = [
  {
    what: 'write 1M, MB/s',
    run: async (place, { seconds }) =>
      large(await fio(place, seconds, ['--rw=write', '--bs=1M', '--end_fsync=1']), WRITE),
  },
  {
    what: 'read 1M, MB/s',
    run: async (place, { seconds }) => large(await fio(place, seconds, ['--rw=read', '--bs=1M']), READ),
  },
  {
    what: 'randread 4k, /s',
    run: async (place, { seconds }) => small(await fio(place, seconds, ['--rw=randread', '--bs=4k']), READ),
  },
  {
    what: 'randwrite 4k with fsync, /s',
    run: async (place, { seconds }) =>
      small(await fio(place, seconds, ['--rw=randwrite', '--bs=4k', '--fsync=1']), WRITE),
  },
];

async function timed(operations: number, work: () => Promise<unknown>): Promise<Done> {
  const begun = performance.now();
  await work();
  return { perSecond: (operations * 1_000) / (performance.now() - begun), operations };
}

async function gitStatus(place: Place, files: number): Promise<Done> {
  let changed = '';
  // The first one after tar: git opens each file, for none has the times and the inode that its index knows.
  const done = await timed(files, async () => {
    changed = await place.program([...GIT, 'status', '--porcelain']);
  });
  if (changed.trim() !== '') throw new Error(`git finds files changed: ${changed.slice(0, 500)}`);
  return done;
}

const FILES: readonly Load[] = [
  {
    what: 'untar, files/s',
    run: async (place, { files }) => {
      await place.shell('rm -rf files && mkdir files && sync -f files 2>/dev/null || sync');
      return timed(files, () => place.shell(`tar -xf ${ARCHIVE} -C files && { sync -f files || sync; }`));
    },
  },
  { what: 'git status, files/s', run: (place, { files }) => gitStatus(place, files) },
];

async function slap(place: Place, words: readonly string[], clients: number, queries: number): Promise<Done> {
  const much = [`--concurrency=${clients}`, `--number-of-queries=${queries}`];
  const all = ['--no-defaults', '--user=root', '--engine=innodb', ...much, ...words];
  const text = await place.program(['/usr/bin/mariadb-slap', ...all]);
  const seconds = Number(/Average number of seconds to run all queries: ([\d.]+)/.exec(text)?.[1]);
  if (!(seconds > 0)) throw new Error(`mariadb-slap says: ${text.slice(0, 500)}`);
  return { perSecond: queries / seconds, operations: queries };
}

const auto = (type: 'mixed' | 'write'): readonly string[] => [
  '--auto-generate-sql',
  `--auto-generate-sql-load-type=${type}`,
];
/** The least that a statement can cost the processor and still commit. */
const SHORT = ['--create=CREATE TABLE t (n INT AUTO_INCREMENT PRIMARY KEY)', '--query=INSERT INTO t VALUES ()'];

const DATABASE: readonly Query[] = [
  ...CLIENTS.map(
    (clients): Query => ({
      what: `slap mixed, ${clients} clients, queries/s`,
      run: (place, { queries }, address) => slap(place, [...address, ...auto('mixed')], clients, queries),
    }),
  ),
  {
    what: 'slap insert, 50 clients, commits/s',
    run: (place, { queries }, address) => slap(place, [...address, ...auto('write')], 50, queries),
  },
  {
    what: 'short insert, 50 clients, commits/s',
    run: (place, { queries }, address) => slap(place, [...address, ...SHORT], 50, queries),
  },
  {
    what: 'short insert, 1 client, commits/s',
    run: (place, { queries }, address) => slap(place, [...address, ...SHORT], 1, Math.ceil(queries / ALONE)),
  },
];

/** Each of `which` in turn, its meter around it. */
export async function measure(
  place: Place,
  amounts: Amounts,
  meter: Meter,
  which: readonly Measure[] = MEASURES,
): Promise<void> {
  for (const { what, run } of [...DISK, ...FILES])
    if (which.includes(what)) await meter(what, () => run(place, amounts));
  await place.serving(async (address) => {
    for (const { what, run } of DATABASE)
      if (which.includes(what)) await meter(what, () => run(place, amounts, address));
  });
}
