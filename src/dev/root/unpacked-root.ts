/**
 * The programs of another suite of Debian, unpacked into a cache and installed nowhere. Only its /usr is used: laid
 * over the host's in a mount namespace, it brings programs and libraries, and all other directories stay the host's.
 */
import { rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { cachedDirectory } from './cached-directory.js';
import { downloadPackages } from './private-apt.js';
import type { Suite } from './release.js';
import { HOW_UNPACKED, unpackPackages } from './unpack-packages.js';

/** What a cluster, the mapper of development and the driver run; apt adds what those need. */
const CEPH = ['ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-common', 'rbd-nbd'];
const TOOLS = [
  'qemu-block-extra',
  'e2fsprogs',
  'xfsprogs',
  'mount',
  'fdisk',
  'fuse3',
  'udev',
  'kmod',
  'procps',
  'iproute2',
];
/** Where qemu-storage-daemon is. */
const STORAGE_DAEMON: Readonly<Record<Suite, string>> = {
  bookworm: 'qemu-system-common',
  trixie: 'qemu-utils',
  sid: 'qemu-utils',
};

/** Links that the packages' scripts would make. */
const LINKS = [['mawk', 'awk']] as const;

/** Where what was unpacked is kept. */
export const rootsCache = (): string =>
  process.env['BERTH_ROOTS'] ??
  path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'berth-roots');

/**
 * The directory whose `usr` has Ceph and its tools of the suite. It is taken from the cache where it is there, however
 * old: whoever wants newer packages removes it. BERTH_PACKAGES_MISSING, BERTH_COMMAND_FAILED, DEADLINE.
 */
export function unpackedRoot(
  exec: Exec,
  suite: Suite,
  say: (line: string) => void,
  deadline: Deadline,
): Promise<string> {
  const packages = [...CEPH, ...TOOLS, STORAGE_DAEMON[suite]];
  return rootWith(exec, { suite, packages, what: 'Ceph and tools', megabytes: 170 }, say, deadline);
}

export interface RootContent {
  readonly suite: Suite;
  /** Beside the essential ones; apt adds what they need. */
  readonly packages: readonly string[];
  /** For whoever waits for the download. */
  readonly what: string;
  readonly megabytes: number;
}

/** As {@link unpackedRoot}, with other packages. */
export async function rootWith(
  exec: Exec,
  content: RootContent,
  say: (line: string) => void,
  deadline: Deadline,
): Promise<string> {
  const { suite, what, megabytes } = content;
  const packages = ['?essential', ...content.packages];
  const key = createHash('sha256')
    .update([...packages, ...HOW_UNPACKED].join('\n'))
    .digest('hex');
  const target = path.join(rootsCache(), `${suite}-${key.slice(0, 12)}`);
  return cachedDirectory(target, async (draft) => {
    say(`downloading ${what} of Debian ${suite} (about ${megabytes} MB) and unpacking them into ${target}`);
    const files = await downloadPackages(exec, path.join(draft, 'apt'), suite, packages, deadline);
    await unpackPackages(exec, files, draft, deadline);
    for (const [to, name] of LINKS) await symlink(to, path.join(draft, 'usr/bin', name)).catch(() => undefined);
    // A place for the program that runs us.
    await writeFile(path.join(draft, 'usr/bin/node'), '', { flag: 'a' });
    await rm(path.join(draft, 'apt'), { recursive: true });
    const names = files.map((file) => path.basename(file, '.deb')).sort();
    await writeFile(path.join(draft, 'packages'), `${names.join('\n')}\n`);
  });
}
