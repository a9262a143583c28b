/**
 * A tool that parses what a guest may have written runs as nobody, without a capability, and sees one device and the
 * programs of this machine: a superblock that is made to take over the tool then has that one volume, which its author
 * had already.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { readMounts } from '../mount/mountinfo.js';
import { findProgram } from './find-program.js';
import { bindToParent, orphanProof } from './orphan-proof.js';

export interface Confinement {
  /** The block device that it works on, below /dev. What is none is not confined: there is nothing to show. */
  readonly device: string;
  readonly writable: boolean;
  /** How much memory it may take, in bytes: more is refused to it, and nobody else is harmed. Default: no limit. */
  readonly memoryBytes?: number | undefined;
}

/**
 * A mount namespace that has nothing but the root filesystem, what of the programs lies on others, and a /dev with one
 * node: no mount of a volume is kept there while the tool works for an hour. The old root goes to /sys for a moment, a
 * directory that every root has; a lazy umount needs /proc. The kernel that runs out of memory ends the tool first.
 */
const SETUP = `
device=$1 major=$2 minor=$3 mode=$4 kib=$5 binds=$6
shift 6
umask 0
show() { while [ "$binds" -gt 0 ]; do mount --bind "$1" "/dev$1" || return; binds=$((binds - 1)); shift; done; }
node() {
  [ -z "$device" ] && return
  mkdir -p "/dev\${device%/*}" && mknod -m "$mode" "/dev$device" b "$major" "$minor"
}
count=$binds
echo 1000 > /proc/self/oom_score_adj
[ "$kib" = 0 ] || ulimit -v "$kib"
mount --bind / /dev && show "$@" && mount --bind /proc /dev/proc && mount -t tmpfs -o mode=755,size=64k none /dev/dev &&
  : > /dev/dev/null && node && cd /dev && pivot_root . sys && cd / && umount -l /sys /proc || {
    echo "berth-confine: the tool could not be confined" >&2
    exit 125
  }
shift "$count"
exec "$@"
`;
const NAME = 'berth-confine';
const CHECK_MS = 10_000;

/** Uids that no machine gives to anybody, another one for each run: two tools cannot reach into each other. */
const FIRST_UID = 0x6000_0000;
const LAST_UID = 0x7fff_0000;
/** Where programs, their libraries and their settings are. */
const PROGRAMS = ['/usr', '/usr/bin', '/usr/sbin', '/usr/lib', '/bin', '/sbin', '/lib', '/lib64', '/etc'];

let isPossible: boolean | undefined;

/**
 * Program and arguments that run `file` confined, bound to this process as by {@link orphanProof}. Where this machine
 * cannot confine (busybox, no right to mount), and for what is no block device, only that.
 */
export async function confined(
  file: string,
  args: readonly string[],
  { device, writable, memoryBytes = 0 }: Confinement,
): Promise<[string, readonly string[]]> {
  const rdev = device.startsWith('/dev/') ? await blockNumber(device) : undefined;
  if (rdev === undefined || !canConfine()) return orphanProof(file, args);
  const binds = await separateMounts(file);
  const setup = [device, ...rdev, writable ? '666' : '444', String(Math.floor(memoryBytes / 1024))];
  return wrap([...setup, String(binds.length), ...binds], [file, ...args]);
}

/** Can this machine confine a tool? Tried once. */
export function canConfine(): boolean {
  if (isPossible !== undefined) return isPossible;
  const said = 'confined';
  const [file, args] = wrap(['', '0', '0', '444', '0', '0'], ['echo', said]);
  const { stdout } = spawnSync(file, args, {
    encoding: 'utf8',
    timeout: CHECK_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  isPossible = (stdout as string | null)?.trim() === said;
  return isPossible;
}

/** Did the wrapper fail before it came to the tool? Its exit code is then not the tool's. */
export const saysNotConfined = (stderr: string): boolean =>
  stderr.split('\n').some((line) => line.startsWith(`${NAME}: `));

function wrap(setup: readonly string[], command: readonly string[]): [string, readonly string[]] {
  const id = String(randomInt(FIRST_UID, LAST_UID));
  const drop = [
    '--reuid',
    id,
    '--regid',
    id,
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
    '--inh-caps=-all',
  ];
  const unprivileged = ['setpriv', ...drop, ...bindToParent(command)];
  return [
    'unshare',
    ['--mount', '--propagation', 'private', '--', '/bin/sh', '-c', SETUP, NAME, ...setup, ...unprivileged],
  ];
}

/** Major and minor as the kernel keeps them (glibc's makedev); undefined where it is no block device. */
async function blockNumber(device: string): Promise<[string, string] | undefined> {
  const found = await stat(device, { bigint: true }).catch(() => undefined);
  if (found?.isBlockDevice() !== true) return undefined;
  const { rdev } = found;
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return [String(major), String(minor)];
}

/** What lies between the root and the program, or its libraries, on a filesystem of its own; the outermost first. */
async function separateMounts(file: string): Promise<readonly string[]> {
  const program = await findProgram(file)
    .then((found) => found && realpath(found))
    .catch(() => undefined);
  const needed = new Set(PROGRAMS);
  for (let at = path.dirname(program ?? '/'); at !== '/'; at = path.dirname(at)) needed.add(at);
  const mounts = (await readMounts()).map(({ target }) => target).filter((target) => needed.has(target));
  return [...new Set(mounts)].sort((one, other) => one.length - other.length);
}
