/** What is measured of a disk: fio, many small files, and MariaDB under mariadb-slap. All are rates: more is better. */
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
  'look at all files, files/s',
  'slap mixed, 50 clients, queries/s',
  'slap mixed, 100 clients, queries/s',
  'slap mixed, 150 clients, queries/s',
  'slap insert, 50 clients, commits/s',
] as const;
export type Measure = (typeof MEASURES)[number];
export type Figures = Partial<Record<Measure, number>>;

export const FIO_MIB = 64;
/** On the volume: an archive of the small files. */
export const ARCHIVE = 'archive.tar';
const CLIENTS = [50, 100, 150] as const;

/** Fields of fio's terse output (version 3), counted from 0. */
const READ = { bandwidthKiB: 6, rate: 7 };
const WRITE = { bandwidthKiB: 47, rate: 48 };

async function fio(place: Place, seconds: number, more: readonly string[]): Promise<readonly number[]> {
  const all = ['--name=job', '--filename=/volume/fio', `--size=${FIO_MIB}M`, '--ioengine=psync', '--direct=1'];
  const time = [`--runtime=${seconds}`, '--time_based', '--minimal'];
  const text = await place.program(['/usr/bin/fio', ...all, ...time, ...more]);
  const line = text.split('\n').find((one) => one.startsWith('3;'));
  if (line === undefined) throw new Error(`fio says: ${text.slice(0, 500)}`);
  return line.split(';').map(Number);
}

async function disk(place: Place, seconds: number): Promise<Figures> {
  const megabytes = (fields: readonly number[], at: number): number => ((fields[at] ?? NaN) * 1_024) / 1e6;
  // The first one makes the file that the others read.
  const write = await fio(place, seconds, ['--rw=write', '--bs=1M', '--end_fsync=1']);
  const read = await fio(place, seconds, ['--rw=read', '--bs=1M']);
  const randread = await fio(place, seconds, ['--rw=randread', '--bs=4k']);
  const randwrite = await fio(place, seconds, ['--rw=randwrite', '--bs=4k', '--fsync=1']);
  return {
    'write 1M, MB/s': megabytes(write, WRITE.bandwidthKiB),
    'read 1M, MB/s': megabytes(read, READ.bandwidthKiB),
    'randread 4k, /s': randread[READ.rate] ?? NaN,
    'randwrite 4k with fsync, /s': randwrite[WRITE.rate] ?? NaN,
  };
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (count * 1_000) / (performance.now() - begun);
}

async function smallFiles(place: Place, files: number): Promise<Figures> {
  await place.shell('rm -rf files && mkdir files && sync -f files 2>/dev/null || sync');
  const untar = await perSecond(files, () => place.shell(`tar -xf ${ARCHIVE} -C files && { sync -f files || sync; }`));
  // As git looks whether anything has changed: every file, none of them opened.
  const look = await perSecond(files, () => place.shell('ls -lR files | wc -l'));
  return { 'untar, files/s': untar, 'look at all files, files/s': look };
}

async function slap(place: Place, address: readonly string[], type: string, clients: number, queries: number) {
  const text = await place.program([
    ...['/usr/bin/mariadb-slap', '--no-defaults', '--user=root', ...address, '--engine=innodb', '--auto-generate-sql'],
    ...[`--auto-generate-sql-load-type=${type}`, `--concurrency=${clients}`, `--number-of-queries=${queries}`],
  ]);
  const seconds = Number(/Average number of seconds to run all queries: ([\d.]+)/.exec(text)?.[1]);
  if (!(seconds > 0)) throw new Error(`mariadb-slap says: ${text.slice(0, 500)}`);
  return queries / seconds;
}

async function database(place: Place, queries: number): Promise<Figures> {
  const figures: Figures = {};
  await place.serving(async (address) => {
    for (const clients of CLIENTS)
      figures[`slap mixed, ${clients} clients, queries/s`] = await slap(place, address, 'mixed', clients, queries);
    figures['slap insert, 50 clients, commits/s'] = await slap(place, address, 'write', 50, queries);
  });
  return figures;
}

export async function measure(place: Place, { seconds, files, queries }: Amounts): Promise<Figures> {
  return {
    ...(await disk(place, seconds)),
    ...(await smallFiles(place, files)),
    ...(await database(place, queries)),
  };
}
