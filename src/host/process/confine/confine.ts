/**
 * A tool that parses what a guest may have written runs as nobody, without a capability, and sees one device and the
 * programs of this machine: a superblock that is made to take over the tool then has that one volume, which its author
 * had already.
 */
import { randomInt } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { bindToParent, orphanProof } from '../orphan-proof.js';
import { toolNamespace } from './tool-namespace.js';

export interface Confinement {
  /** The block device that it works on, below /dev. What is none is not confined: there is nothing to show. */
  readonly device: string;
  readonly writable: boolean;
  /** How much memory it may take, in bytes: more is refused to it, and nobody else is harmed. Default: no limit. */
  readonly memoryBytes?: number | undefined;
  /** It is shown a table of mounts, without which it would not work, and an empty one: the caller has looked. */
  readonly seesNoMounts?: boolean;
  /**
   * It keeps CAP_SYS_ADMIN, without which the kernel refuses it BLKFLSBUF. Whoever takes it over can mount what he has
   * on his device, and so come by others: only for what cannot work without.
   */
  readonly mayFlush?: boolean;
}

/** The kernel that runs out of memory ends the tool first. /proc is to be had only before the namespace is entered. */
const LIMIT = `
echo 1000 > /proc/self/oom_score_adj
[ "$1" = 0 ] || ulimit -v "$1"
shift
exec "$@"
`;
/**
 * In a namespace of its own run: a /dev with one node, and a file where tools look for /dev/null. Its mode comes by the
 * umask, for chmod wants /proc.
 */
const SHOW = `
device=$1 major=$2 minor=$3 mask=$4 table=$5
shift 5
umask 0
case "$table" in '') cover=: ;; *) cover="mount -t tmpfs -o mode=755,size=64k none /proc" ;; esac
case "$device" in /dev/*/*) parents="mkdir -p \${device%/*}" ;; *) parents=: ;; esac
$cover && : > "\${table:-/dev/null}" &&
  mount -t tmpfs -o mode=755,size=64k none /dev && : > /dev/null && $parents &&
  umask "$mask" && mknod "$device" b "$major" "$minor" && exec "$@"
echo "berth-confine: the tool could not be confined" >&2
exit 125
`;
const NAME = 'berth-confine';

/** Uids that no machine gives to anybody, another one for each run: two tools cannot reach into each other. */
const FIRST_UID = 0x6000_0000;
const LAST_UID = 0x7fff_0000;

/**
 * Program and arguments that run `file` confined, bound to this process as by {@link orphanProof}. Where this machine
 * cannot confine (busybox, no right to mount), and for what is no block device, only that.
 */
export async function confined(
  file: string,
  args: readonly string[],
  { device, writable, memoryBytes = 0, mayFlush = false, seesNoMounts = false }: Confinement,
): Promise<[string, readonly string[]]> {
  const number = device.startsWith('/dev/') ? await blockNumber(device) : undefined;
  const namespace = number === undefined ? undefined : await toolNamespace();
  if (number === undefined || namespace === undefined) return orphanProof(file, args);
  const id = String(randomInt(FIRST_UID, LAST_UID));
  const nobody = ['--reuid', id, '--regid', id, '--clear-groups', '--no-new-privs'];
  const left = mayFlush ? ',+sys_admin' : '';
  const kept = mayFlush ? ['--ambient-caps=-all,+sys_admin'] : [];
  const powerless = [`--bounding-set=-all${left}`, `--inh-caps=-all${left}`, ...kept, ...bindToParent([file, ...args])];
  const table = seesNoMounts ? '/proc/mounts' : '';
  const show = ['/bin/sh', '-c', SHOW, NAME, device, ...number, writable ? '000' : '222', table];
  const enter = ['nsenter', `--mount=${namespace}`, '--', 'unshare', '--mount', '--propagation', 'private', '--'];
  const kib = String(Math.floor(memoryBytes / 1024));
  return ['/bin/sh', ['-c', LIMIT, NAME, kib, ...enter, ...show, 'setpriv', ...nobody, ...powerless]];
}

/** Did the wrapper fail before it came to the tool? Its exit code is then not the tool's. */
export const saysNotConfined = (stderr: string): boolean =>
  stderr.split('\n').some((line) => line.startsWith(`${NAME}: `));

/** Major and minor as the kernel keeps them (glibc's makedev); undefined where it is no block device. */
async function blockNumber(device: string): Promise<[string, string] | undefined> {
  const found = await stat(device, { bigint: true }).catch(() => undefined);
  if (found?.isBlockDevice() !== true) return undefined;
  const { rdev } = found;
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return [String(major), String(minor)];
}
