/**
 * `npm run bench -- --vm`: what a direct block device brings to a virtual machine over a directory that it shares. One
 * run, one guest, one image; the ways in turn, in another order each round; ratios to the direct virtio-blk disk.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { guestSystem } from '../../src/dev/guest/guest-system.js';
import { guestNeeds } from '../../src/dev/guest/machine.js';
import { SandboxGuest } from '../../src/dev/guest/sandbox-guest.js';
import { ensurePackages, thisMachine } from '../../src/dev/packages.js';
import { say } from '../../src/dev/say.js';
import { mountTree } from '../../src/dev/workload/guest-server.js';
import { mariadbTree, type MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { MiB, type BenchCluster } from '../bench-cluster.js';
import { median, print } from '../figures.js';
import { ARCHIVE, COMMITS, FIO_MIB, GIT, measure, type Amounts, type Measure } from './loads.js';
import { meterOf, type Results } from './meter.js';
import { containerRun } from './place.js';
import { RawVolume } from './raw-volume.js';
import { MODULES, SharedDirectory } from './shared-directory.js';
import { slowDown } from './slow-ceph.js';
import { effortTable, ratesTable, ratios, type All } from './tables.js';
import { TUNE_CORES, TUNE_MEASURES, TUNE_WORDS, VARIANT_NAMES, VARIANTS, type Variant } from './tune.js';
import { direct, mounted, through, WAYS, type Load, type Stage, type Way } from './ways.js';

export interface VmOptions {
  readonly rounds: number;
  readonly amounts: Amounts;
  readonly accelerator: 'tcg' | 'kvm';
  /** Undefined: the one that the node chooses. */
  readonly mapper: string | undefined;
  /** Each request waits so long for Ceph, ms on average. */
  readonly delayMs: number;
  /** Variants of the first way instead of all ways. */
  readonly tune: boolean;
}

const VOLUME_BYTES = 1_024 * MiB;
const MEMORY_MIB = 512;
const FILE_BYTES = 2_048;
const FILES_EACH = 50;
const PACKAGES_MS = 900_000;
const BASE: Way = '(a) virtio-blk';
/** As Berth makes it. */
const MKFS = ['-q', '-m', '0', '-E', 'nodiscard,lazy_itable_init=1,lazy_journal_init=1'];
const SHARED: readonly Way[] = ['(d) host mount, virtio-fs', '(e) host mount, 9p'];

const command = (file: string, ...args: readonly string[]) =>
  run(file, args, { deadline: Deadline.after(PACKAGES_MS) });

export async function vmCost(site: BenchCluster, options: VmOptions): Promise<void> {
  await ensurePackages(run, say, Deadline.after(PACKAGES_MS), thisMachine(guestNeeds()));
  const mariadb = await mariadbTree(say, 'measure');
  // Of the site, which undoes its mounts and removes it, whatever happens here.
  const directory = path.join(site.directory, 'vm');
  await mkdir(directory);
  const system = await guestSystem(directory, say, MODULES);
  if (options.delayMs > 0) await slowDown(site, options.delayMs);
  const shared = await SharedDirectory.serve(directory);
  const volume = await RawVolume.make(site, VOLUME_BYTES, options.mapper);
  let guest: SandboxGuest | undefined;
  try {
    await fill(volume, mariadb, directory, shared, options.amounts.files);
    guest = await SandboxGuest.start(system, directory, {
      memoryMib: MEMORY_MIB,
      programs: mariadb.image,
      accelerator: options.accelerator,
      cores: options.tune ? TUNE_CORES : 1,
      more: [...shared.words(MEMORY_MIB), ...TUNE_WORDS],
    });
    await mountTree(guest);
    await conditions(guest, options, volume);
    const stage = { directory, guest, mariadb, volume, shared };
    await (options.tune ? tuned(stage, site, options) : allWays(stage, site, options));
  } finally {
    await guest?.kill();
    await shared.end();
    await volume.close();
  }
}

/** A filesystem with the archive of a repository of git: its files are small, and its history is one pack. */
async function fill(
  volume: RawVolume,
  mariadb: MariadbTree,
  directory: string,
  shared: SharedDirectory,
  files: number,
): Promise<void> {
  await command('mkfs.ext4', ...MKFS, await volume.bring());
  await volume.leave();
  await mounted(volume, shared.volume, async () => {
    const source = path.join(shared.volume, 'files');
    for (let i = 0; i < files; i += 1) {
      const place = path.join(source, `d${Math.floor(i / FILES_EACH)}`);
      await mkdir(place, { recursive: true });
      await writeFile(path.join(place, `f${i}`), String(i).padEnd(FILE_BYTES, 'x'));
    }
    const git = (...args: readonly string[]): Promise<string> =>
      containerRun(mariadb, path.join(directory, 'container'), shared.volume, [...GIT, ...args]);
    await git('init', '-q', '--template=');
    await git('add', '.');
    await git('-c', 'user.name=bench', '-c', 'user.email=bench', 'commit', '-q', '-m', 'all');
    await git('repack', '-adq');
    await command('tar', '-cf', path.join(shared.volume, ARCHIVE), '-C', source, '.');
    await rm(source, { recursive: true });
  });
}

async function conditions(guest: SandboxGuest, options: VmOptions, volume: RawVolume): Promise<void> {
  const { accelerator, amounts, delayMs, tune } = options;
  const cores = tune ? `${TUNE_CORES} cores` : 'one core';
  const emulated = accelerator === 'tcg' ? `${cores}, emulated (TCG): its processor is slow` : `${cores}, KVM`;
  print(`\nA guest's disk: ${await guest.sh('uname -r')}, ${MEMORY_MIB} MiB, ${emulated}`);
  print(`  Ceph: ${delayMs === 0 ? 'answers at once' : `each request waits 0 to ${2 * delayMs} ms (ms_inject_delay)`}`);
  print(`  the volume: 1 GiB, ext4, mapped by ${await volume.mapper()}; QEMU's cache is the host's (cache=writeback,`);
  const served = tune ? 'iothread and queues as each variant says' : 'no iothread, one queue';
  print(`  as Kata's default), flushed at each flush of the guest; ${served}; virtio-fs cache=auto;`);
  print('  9p cache=mmap, msize=512000');
  print(
    `  fio: ${FIO_MIB} MiB, direct=1, one job, one request at a time, ${amounts.seconds} s each; untar and git status:`,
  );
  print(`  ${amounts.files} files of 2 KiB; MariaDB: flush at each commit, O_DIRECT, pool 64 MiB, ${amounts.queries}`);
  print('  statements each (mixed: half of them inserts, each a commit; half of them read the whole table)');
}

/** Each in turn, in another order each round; `enter` takes a load there. */
async function rounds<Name extends string>(
  site: BenchCluster,
  { rounds: count, amounts }: VmOptions,
  names: readonly Name[],
  enter: (name: Name, load: Load) => Promise<void>,
  which?: readonly Measure[],
): Promise<All<Name>> {
  const all = Object.fromEntries(names.map((name) => [name, [] as Results[]])) as Record<Name, Results[]>;
  for (let round = 0; round < count; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const begun = performance.now();
      const results: Results = {};
      await enter(name, (place, watched) => measure(place, amounts, meterOf(site.directory, watched, results), which));
      all[name].push(results);
      print(`  round ${round + 1} of ${count}, ${name}: ${((performance.now() - begun) / 1_000).toFixed(0)} s`);
    }
  }
  for (const table of [ratesTable(all, names), effortTable(all, names)]) for (const line of ['', ...table]) print(line);
  return all;
}

async function allWays(stage: Stage, site: BenchCluster, options: VmOptions): Promise<void> {
  const all = await rounds(site, options, WAYS, (way, load) => through(stage, way, load));
  const shared = SHARED.map((way) => median(ratios(all[BASE], all[way], COMMITS)));
  const better = (1 / Math.max(...shared)).toFixed(2);
  print(`\n  ${COMMITS}: (a) is ${better} times the better of virtio-fs and 9p (wanted: 2)`);
}

async function tuned(stage: Stage, site: BenchCluster, options: VmOptions): Promise<void> {
  const enter = (name: Variant, load: Load): Promise<void> => direct(stage, 'virtio-blk', load, VARIANTS[name]);
  await rounds(site, options, VARIANT_NAMES, enter, TUNE_MEASURES);
}
