/**
 * Makes sure that the programs and libraries of a development cluster are on this machine, installing them where that
 * is allowed.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { filesystems } from '../host/filesystem/filesystems.js';
import { isThere } from '../host/is-there.js';
import type { Exec } from '../host/process/exec.js';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';

export interface Need {
  /** A program's name, or a library's path below a library directory. */
  readonly what: string;
  /** The Debian packages that it needs, with a space between them. */
  readonly comesWith: string;
}

const PROGRAMS: readonly Need[] = [
  { what: 'ceph-mon', comesWith: 'ceph-mon' },
  { what: 'ceph-mgr', comesWith: 'ceph-mgr' },
  { what: 'ceph-osd', comesWith: 'ceph-osd' },
  { what: 'monmaptool', comesWith: 'ceph-base' },
  { what: 'ceph', comesWith: 'ceph-common' },
  { what: 'rbd', comesWith: 'ceph-common' },
  { what: 'ceph-authtool', comesWith: 'ceph-common' },
  { what: 'qemu-storage-daemon', comesWith: 'qemu-system-common' },
  // What ext4 and xfs need, from the table that preflight reads too.
  ...Object.values(filesystems).flatMap(({ needs }) =>
    needs.programs.map((what) => ({ what, comesWith: needs.packages })),
  ),
  { what: 'blkid', comesWith: 'util-linux' },
  { what: 'blockdev', comesWith: 'util-linux' },
  { what: 'mount', comesWith: 'mount' },
  { what: 'umount', comesWith: 'mount' },
  { what: 'losetup', comesWith: 'mount' },
];

const LIBRARIES: readonly Need[] = [
  { what: 'librados.so.2', comesWith: 'librados2' },
  { what: 'librbd.so.1', comesWith: 'librbd1' },
  // qemu loads it only when an rbd image is opened, so nothing else would notice that it is missing.
  { what: 'qemu/block-rbd.so', comesWith: 'qemu-block-extra' },
];

/** Distributions put qemu's modules in one of these below the library directory. */
const QEMU_MODULES = ['qemu', 'qemu-kvm'];

const anyExists = async (files: readonly string[]): Promise<boolean> =>
  (await Promise.all(files.map(isThere))).includes(true);

/** /usr/lib, /usr/lib64 and the multiarch directories below /usr/lib. */
async function libraryDirectories(): Promise<readonly string[]> {
  const below = await readdir('/usr/lib', { withFileTypes: true }).catch(() => []);
  const multiarch = below.filter((entry) => entry.name.includes('-linux-')).map((entry) => `/usr/lib/${entry.name}`);
  return [...multiarch, '/usr/lib64', '/usr/lib', '/usr/local/lib'];
}

const libraryPaths = (what: string, directories: readonly string[]): readonly string[] =>
  directories.flatMap((directory) =>
    what.startsWith('qemu/')
      ? QEMU_MODULES.map((module) => path.join(directory, module, path.basename(what)))
      : [path.join(directory, what)],
  );

/** Those that are not on this machine. */
async function missing(programs: readonly Need[], shared: readonly Need[]): Promise<readonly Need[]> {
  // A login shell of an ordinary user has no sbin in its PATH, the programs are there all the same.
  const bins = [...(process.env['PATH'] ?? '').split(':').filter(Boolean), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  const libraries = await libraryDirectories();
  const found = await Promise.all([
    ...programs.map((need) => anyExists(bins.map((bin) => path.join(bin, need.what)))),
    ...shared.map((need) => anyExists(libraryPaths(need.what, libraries))),
  ]);
  return [...programs, ...shared].filter((_, index) => found[index] === false);
}

async function isDebianFamily(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/** What the check asks of the machine; tests answer for another one. */
export interface Machine {
  missing(): Promise<readonly Need[]>;
  mayInstall(): Promise<boolean>;
}

const mayInstall = async (): Promise<boolean> => process.getuid?.() === 0 && (await isDebianFamily());

/** This machine, which has to have `more` programs beside those of every development cluster. */
export const thisMachine = (more: readonly Need[] = []): Machine => ({
  missing: () => missing([...PROGRAMS, ...more], LIBRARIES),
  mayInstall,
});

/** This machine, for work that needs these programs and no cluster. */
export const machineThatNeeds = (programs: readonly Need[]): Machine => ({
  missing: () => missing(programs, []),
  mayInstall,
});

/**
 * Check, and as root on a Debian family system install, what the development cluster needs; `say` is told before
 * anything is installed. BERTH_PACKAGES_MISSING where we may not install or something is still missing afterwards;
 * BERTH_COMMAND_FAILED from apt-get.
 */
export async function ensurePackages(
  exec: Exec,
  say: (line: string) => void,
  deadline: Deadline,
  machine = thisMachine(),
): Promise<void> {
  const lacks = await machine.missing();
  if (lacks.length === 0) return;
  const packages = [...new Set(lacks.flatMap((need) => need.comesWith.split(' ')))];
  const describe = (needs: readonly Need[]): string => needs.map((need) => need.what).join(', ');
  if (!(await machine.mayInstall())) {
    throw berthError('BERTH_PACKAGES_MISSING', { what: describe(lacks), packages: packages.join(' ') });
  }
  say(`this machine lacks ${describe(lacks)}; installing the packages ${packages.join(' ')} with apt-get`);
  const options = { deadline, env: { DEBIAN_FRONTEND: 'noninteractive' } };
  const apt = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120'];
  await exec('apt-get', [...apt, 'update'], options);
  await exec('apt-get', [...apt, 'install', '--no-install-recommends', ...packages], options);
  const still = await machine.missing();
  if (still.length > 0)
    throw berthError('BERTH_PACKAGES_MISSING', { what: describe(still), packages: packages.join(' ') });
}
