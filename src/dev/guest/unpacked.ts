/**
 * The guest's kernel and system programs: the distribution's packages, downloaded and unpacked into a cache, never
 * installed.
 */
import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { cachedDirectory } from '../root/cached-directory.js';
import type { Suite } from '../root/release.js';
import { machine } from './machine.js';
import { unpackKernelOf } from './other-kernel.js';
import { extractVmlinux } from './vmlinux.js';

export interface Unpacked {
  /** What QEMU boots. */
  readonly kernel: string;
  /** `lib/modules/<release>`. */
  readonly modules: string;
  readonly release: string;
  /** Programs and libraries that are laid over the host's file system. */
  readonly programs: string;
  readonly busybox: string;
}

/** udevd with its library, modprobe, and the shell of the init program. */
const PROGRAMS = ['udev', 'libsystemd-shared', 'kmod', 'libkmod2', 'busybox-static'];
/** Of the 4,000 modules: filesystems, network protocols, block devices and what they stand on. */
const MODULES = ['fs', 'net', 'block', 'lib', 'crypto', 'arch', 'mm', 'drivers/block', 'drivers/md', 'drivers/virtio'];
const MODULE_FILES = [
  ...['drivers/net/*.ko*', 'drivers/dax/*.ko*', 'drivers/nvdimm/*.ko*'],
  ...['scsi_mod', 'scsi_common', 'sd_mod', 'virtio_scsi'].map((name) => `drivers/scsi/${name}.ko*`),
];
/** Most of the bytes, for devices that the guest has not and for a systemd that it does not run. */
const UNWANTED = ['./usr/share', './lib/udev/hwdb.d', './usr/lib/udev/hwdb.d', 'libsystemd-core-*'];
/**
 * The same whether a package still has /lib or already /usr/lib: in the guest it is laid over a host whose /lib is a
 * link.
 */
const MERGED_USR = String.raw`s,^\./\(bin\|sbin\|lib\)/,./usr/\1/,`;

/** Where guests' kernels and programs are kept. */
export const guestCache = (): string =>
  process.env['BERTH_VM_CACHE'] ??
  path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'berth-vm');

/**
 * Take them from the cache, where they lie under their versions, or download them. BERTH_COMMAND_FAILED, DEADLINE.
 * @param suite whose kernel it is; undefined for that of this machine's distribution
 */
export async function unpackedPackages(
  exec: Exec,
  say: (line: string) => void,
  deadline: Deadline,
  suite?: Suite,
): Promise<Unpacked> {
  const kernel = suite === undefined ? await kernelPackage(exec, deadline) : { of: suite };
  const programs = typeof kernel === 'string' ? [kernel, ...PROGRAMS] : PROGRAMS;
  const named = typeof kernel === 'string' ? [] : [`the kernel of Debian ${kernel.of}`];
  const versions = [...named, ...(await versionsOf(exec, programs, deadline))];
  // Another choice of files is another content.
  const chosen = [...versions, ...MODULES, ...MODULE_FILES, ...UNWANTED];
  const name = createHash('sha256').update(chosen.join('\n')).digest('hex').slice(0, 16);
  const target = path.join(guestCache(), name);
  await cachedDirectory(target, async (draft) => {
    say(`downloading ${versions.join(', ')} (about 75 MB) and unpacking them into ${target}`);
    await unpack(exec, draft, kernel, deadline);
  });
  return describe(target);
}

/** What the metapackage depends on now: `linux-image-6.1.0-56-amd64`. */
async function kernelPackage(exec: Exec, deadline: Deadline): Promise<string> {
  const ask = () => exec('apt-cache', ['depends', machine().kernelPackage], { deadline, okCodes: [0, 100] });
  const find = (text: string): string | undefined => /Depends: (linux-image-\d\S*)/.exec(text)?.[1];
  const known = find((await ask()).stdout);
  if (known !== undefined) return known;
  // A machine, or an image, that has never looked at its archive.
  await exec('apt-get', ['-q', 'update'], { deadline });
  const found = find((await ask()).stdout);
  if (found === undefined) throw new Error(`apt-cache knows no kernel behind ${machine().kernelPackage}`);
  return found;
}

/** `name_version` of each, as it would be downloaded now. */
async function versionsOf(exec: Exec, packages: readonly string[], deadline: Deadline): Promise<readonly string[]> {
  const { stdout } = await exec('apt-cache', ['show', '--no-all-versions', ...packages], { deadline });
  return stdout.split(/\n\n+/).map((paragraph) => {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? '';
    return `${field('Package')}_${field('Version')}`;
  });
}

/** A package of this machine's distribution, or the kernel of another suite. */
type Kernel = string | { readonly of: Suite };

async function unpack(exec: Exec, directory: string, kernel: Kernel, deadline: Deadline): Promise<void> {
  const at = (name: string): string => path.join(directory, name);
  await Promise.all(['debs', 'kernel', 'programs'].map((name) => mkdir(at(name))));
  // As root apt drops its privileges for the download, and may not write here then.
  const apt = ['-q', '-o', 'APT::Sandbox::User=root', '-o', `Dir::Cache::archives=${at('debs')}`];
  const own = typeof kernel === 'string' ? [kernel] : [];
  await exec('env', ['-C', at('debs'), 'apt-get', ...apt, 'download', ...own, ...PROGRAMS], { deadline });
  if (typeof kernel !== 'string') await unpackKernelOf(exec, kernel.of, directory, deadline);
  for (const deb of await readdir(at('debs'))) {
    const isKernel = own.some((name) => deb.startsWith(`${name}_`));
    const wanted = isKernel ? kernelFiles() : UNWANTED.map((name) => `--exclude=${name}`);
    // Without symlinks' own texts (S) and hard links (h) changed: both may be relative.
    const tar = ['tar', '-x', '-C', at(isKernel ? 'kernel' : 'programs'), `--transform=${MERGED_USR}Sh`, ...wanted];
    await exec('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" | "$@"', at(`debs/${deb}`), ...tar], { deadline });
  }
  // Moved, but for the directories themselves: laid over links of that name they would hide what is behind them.
  await Promise.all(['bin', 'sbin', 'lib'].map((name) => rm(at(`programs/${name}`), { recursive: true, force: true })));
  const { release, kernel: image, programs } = await describe(directory);
  // kmod does what its name says; the package's links are absolute, so that they point to the host's.
  await symlink('programs/usr/bin/kmod', at('depmod'));
  const env = { LD_LIBRARY_PATH: await libraryPath(programs) };
  await exec(at('depmod'), ['-b', at('kernel/usr'), release], { deadline, env });
  if (machine().bareKernel) await extractVmlinux(at(`kernel/boot/vmlinuz-${release}`), image);
  await rm(at('debs'), { recursive: true });
}

const kernelFiles = (): readonly string[] => [
  ...['--wildcards', '--no-wildcards-match-slash'],
  ...['./boot/vmlinuz-*', './lib/modules/*/modules.*'],
  ...MODULES.map((name) => `./lib/modules/*/kernel/${name}`),
  ...MODULE_FILES.map((name) => `./lib/modules/*/kernel/${name}`),
];

async function libraryPath(programs: string): Promise<string> {
  const library = path.join(programs, 'usr/lib');
  const multiarch = (await readdir(library)).filter((name) => name.includes('-linux-'));
  return multiarch.map((name) => path.join(library, name)).join(':');
}

async function describe(directory: string): Promise<Unpacked> {
  const tree = path.join(directory, 'kernel/usr/lib/modules');
  const [release = ''] = await readdir(tree);
  const kernel = machine().bareKernel ? 'vmlinux' : `boot/vmlinuz-${release}`;
  return {
    kernel: path.join(directory, 'kernel', kernel),
    modules: path.join(tree, release),
    release,
    programs: path.join(directory, 'programs'),
    busybox: path.join(directory, 'programs/usr/bin/busybox'),
  };
}
