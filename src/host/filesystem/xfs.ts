/** xfs: it grows only while it is mounted, replays its log at a mount, and has no tool that checks it before one. */
import type { Deadline } from '../../model/deadline.js';
import type { Exec } from '../process/exec.js';
import type { Filesystem, MkfsRequest, Superblock } from './filesystem.js';
import { isAtLeast, type ToolVersion } from './mkfs/mkfs-version.js';
import { complaint, growError } from './tool-failures.js';
import { uuidAt } from './superblock-uuid.js';
import { xfsUuid } from './xfs-uuid.js';

/** xfsprogs refuses less since 5.19 (measured). */
const SMALLEST_BYTES = 300n * 1024n * 1024n;

export const xfs: Filesystem = {
  type: 'xfs',
  needs: {
    programs: ['mkfs.xfs', 'xfs_growfs', 'xfs_db', 'xfs_repair', 'cmp'],
    packages: 'xfsprogs diffutils',
    without: 'xfs volumes cannot be made, grown or restored',
  },
  minimumBytes: SMALLEST_BYTES,
  smallestVolume: SMALLEST_BYTES,
  mkfsFlags: 'bdilLmnrs',
  mkfsTrial: { dryRun: '-N', makes: 'nothing', sparse: [], whyNotMountable },
  mkfsArguments,
  parseSuperblock,
  countedErrors: () => undefined,
  hidesShutdown: true,
  mountShowsDeviceNumber: true,
  // xfs refuses a second filesystem with the same uuid,
  // which every clone of a volume has; two may meet in one guest too.
  mountOptions: (readOnly) => (readOnly ? ['ro', 'nouuid'] : ['nouuid']),
  uuidOfCopy: xfsUuid,
  // The log is replayed by the kernel that mounts it, this node's or a guest's, and by no tool without mounting.
  check: undefined,
  growProgram: 'xfs_growfs',
  growUnmounted: undefined,
  growsMountedHere: () => true,
  growMounted,
};

/**
 * What newer ones make by default and Linux 6.1, the oldest kernel that Berth names, or a guest's does not mount
 * (`exchange`, `parent`: 6.10; `nrext64`: 5.19), or what takes a tenth of a small volume (`rmapbt`). Each with the
 * xfsprogs that know the option.
 */
const LEFT_OUT: readonly (readonly [flag: string, name: string, since: ToolVersion])[] = [
  ['-m', 'rmapbt', [4, 8]],
  ['-i', 'nrext64', [5, 19]],
  ['-i', 'exchange', [6, 10]],
  ['-n', 'parent', [6, 10]],
];

function mkfsArguments({ uuid, options, force, tool }: MkfsRequest): readonly string[] {
  const theirs = options.flatMap(({ flag, value }) => [flag, value]);
  // Said twice it is an error of mkfs, and a user may want it.
  const isSaid = (wanted: string, name: string): boolean =>
    options.some(({ flag, value }) => flag === wanted && value.split(',').some((one) => one.split('=')[0] === name));
  const leftOut = LEFT_OUT.filter(([flag, name, since]) => isAtLeast(tool, since) && !isSaid(flag, name));
  const features = leftOut.flatMap(([flag, name]) => [flag, `${name}=0`]);
  // -K: a new thin image is zero, there is nothing to discard.
  return ['-q', '-K', '-m', `uuid=${uuid}`, ...features, ...(force ? ['-f'] : []), ...theirs];
}

/** mkfs.xfs -N: `data     =                       bsize=65536  blocks=...`. */
function whyNotMountable(stdout: string, pageBytes: number): string | undefined {
  const blockBytes = Number(/^data\s.*\bbsize=(\d+)/m.exec(stdout)?.[1] ?? 0);
  if (blockBytes <= pageBytes) return undefined;
  return `Linux before 6.12 mounts no xfs with blocks of ${blockBytes} bytes where pages have ${pageBytes}`;
}

/** Of struct xfs_dsb (fs/xfs/libxfs/xfs_format.h), the first thing on the device; it is big endian. */
const MAGIC = 'XFSB';
const SUPERBLOCK_BYTES = 264;

function parseSuperblock(page: Buffer): Superblock | undefined {
  if (page.length < SUPERBLOCK_BYTES || page.toString('latin1', 0, 4) !== MAGIC) return undefined;
  const sizeBytes = page.readBigUInt64BE(8) * BigInt(page.readUInt32BE(4));
  return { uuid: uuidAt(page, 32), sizeBytes, errors: false, growsTo: undefined, mounts: '' };
}

async function growMounted(exec: Exec, _device: string, mountPoint: string, deadline: Deadline): Promise<void> {
  // Always run: it knows the true size, and does nothing where there is nothing to do.
  const result = await exec('xfs_growfs', ['-d', mountPoint], { deadline, okCodes: [0, 1], work: {} });
  if (result.exitCode !== 0) throw growError('xfs', mountPoint, complaint(result));
}
