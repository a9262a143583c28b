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
import { mariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { MiB, type BenchCluster } from '../bench-cluster.js';
import { median, print } from '../figures.js';
import { ARCHIVE, FIO_MIB, measure, MEASURES, type Amounts, type Figures, type Measure } from './loads.js';
import { RawVolume } from './raw-volume.js';
import { MODULES, SharedDirectory } from './shared-directory.js';
import { mounted, through, WAYS, type Stage, type Way } from './ways.js';

export interface VmOptions {
  readonly rounds: number;
  readonly amounts: Amounts;
  readonly accelerator: 'tcg' | 'kvm';
  /** Undefined: the one that the node chooses. */
  readonly mapper: string | undefined;
}

const VOLUME_BYTES = 1_024 * MiB;
const MEMORY_MIB = 512;
const FILE_BYTES = 2_048;
const FILES_EACH = 50;
const PACKAGES_MS = 900_000;
const BASE: Way = '(a) virtio-blk';
/** As Berth makes it. */
const MKFS = ['-q', '-m', '0', '-E', 'nodiscard,lazy_itable_init=1,lazy_journal_init=1'];

type All = Record<Way, Figures[]>;

const command = (file: string, ...args: readonly string[]) =>
  run(file, args, { deadline: Deadline.after(PACKAGES_MS) });

export async function vmCost(site: BenchCluster, options: VmOptions): Promise<void> {
  await ensurePackages(run, say, Deadline.after(PACKAGES_MS), thisMachine(guestNeeds()));
  const mariadb = await mariadbTree(say, 'measure');
  // Of the site, which undoes its mounts and removes it, whatever happens here.
  const directory = path.join(site.directory, 'vm');
  await mkdir(directory);
  const system = await guestSystem(directory, say, MODULES);
  const shared = await SharedDirectory.serve(directory);
  const volume = await RawVolume.make(site, VOLUME_BYTES, options.mapper);
  let guest: SandboxGuest | undefined;
  try {
    await fill(volume, directory, shared, options.amounts.files);
    guest = await SandboxGuest.start(system, directory, {
      memoryMib: MEMORY_MIB,
      programs: mariadb.image,
      accelerator: options.accelerator,
      more: shared.words(MEMORY_MIB),
    });
    await mountTree(guest);
    await conditions(guest, options, volume);
    await rounds({ directory, guest, mariadb, volume, shared }, options);
  } finally {
    await guest?.kill();
    await shared.end();
    await volume.close();
  }
}

/** A filesystem with the archive of small files. */
async function fill(volume: RawVolume, directory: string, shared: SharedDirectory, files: number): Promise<void> {
  const source = path.join(directory, 'files');
  for (let i = 0; i < files; i += 1) {
    const place = path.join(source, `d${Math.floor(i / FILES_EACH)}`);
    await mkdir(place, { recursive: true });
    await writeFile(path.join(place, `f${i}`), String(i).padEnd(FILE_BYTES, 'x'));
  }
  await command('mkfs.ext4', ...MKFS, await volume.bring());
  await volume.leave();
  await mounted(volume, shared.volume, async () => {
    await command('tar', '-cf', path.join(shared.volume, ARCHIVE), '-C', source, '.');
  });
  await rm(source, { recursive: true });
}

async function conditions(guest: SandboxGuest, options: VmOptions, volume: RawVolume): Promise<void> {
  const { accelerator, amounts } = options;
  const emulated =
    accelerator === 'tcg' ? 'one core, emulated (TCG): figures of the processor, not of the disk' : 'KVM';
  print(`\nA guest's disk: ${await guest.sh('uname -r')}, ${MEMORY_MIB} MiB, ${emulated}`);
  print(`  the volume: 1 GiB, ext4, mapped by ${await volume.mapper()}; QEMU's cache is the host's (cache=writeback,`);
  print("  as Kata's default), flushed at each flush of the guest; no iothread, one queue; virtio-fs cache=auto;");
  print('  9p cache=mmap, msize=512000');
  print(`  fio: ${FIO_MIB} MiB, direct=1, one job, one request at a time, ${amounts.seconds} s each; untar and look:`);
  print(`  ${amounts.files} files of 2 KiB; MariaDB: flush at each commit, O_DIRECT, pool 64 MiB, ${amounts.queries}`);
  print('  statements each (mixed: half of them inserts, each a commit; half of them read the whole table)');
}

async function rounds(stage: Stage, { rounds: count, amounts }: VmOptions): Promise<void> {
  const all = Object.fromEntries(WAYS.map((way) => [way, [] as Figures[]])) as All;
  for (let round = 0; round < count; round += 1) {
    const order = [...WAYS.slice(round % WAYS.length), ...WAYS.slice(0, round % WAYS.length)];
    for (const way of order) {
      const begun = performance.now();
      await through(stage, way, async (place) => {
        all[way].push(await measure(place, amounts));
      });
      print(`  round ${round + 1} of ${count}, ${way}: ${((performance.now() - begun) / 1_000).toFixed(0)} s`);
    }
  }
  report(all);
}

const valuesOf = (figures: readonly Figures[], what: Measure): readonly number[] =>
  figures.map((one) => one[what] ?? NaN);

/** Of each round by itself, since a noisy machine changes its pace from round to round. */
function ratios(all: All, way: Way, what: Measure): readonly number[] {
  const base = valuesOf(all[BASE], what);
  return valuesOf(all[way], what).map((value, round) => value / (base[round] ?? NaN));
}

/** As Markdown, to be pasted into docs/benchmarks.md. */
function report(all: All): void {
  print(`\n| median (ratio to (a), its least to its greatest) | ${WAYS.join(' | ')} |`);
  print(`|---|${WAYS.map(() => '---:|').join('')}`);
  for (const what of MEASURES) {
    const cells = WAYS.map((way) => {
      const value = median(valuesOf(all[way], what));
      const text = value < 10 ? value.toFixed(1) : value.toFixed(0);
      const each = ratios(all, way, what);
      const spread = `${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}`;
      return way === BASE ? text : `${text} (${median(each).toFixed(2)}, ${spread})`;
    });
    print(`| ${what} | ${cells.join(' | ')} |`);
  }
  const commits: Measure = 'slap mixed, 50 clients, queries/s';
  const shared = (['(d) host mount, virtio-fs', '(e) host mount, 9p'] as const).map((way) =>
    median(ratios(all, way, commits)),
  );
  print(
    `\n  50 clients: (a) is ${(1 / Math.max(...shared)).toFixed(2)} times the better of virtio-fs and 9p (wanted: 2)`,
  );
}
