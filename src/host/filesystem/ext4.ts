/** ext4: it grows mounted or not, and e2fsck checks and repairs it where no kernel is to mount it. */
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { deviceSizeBytes } from '../device/block-device.js';
import { linkedName, readAttribute, readShown } from '../device/kernel-attribute.js';
import { CAP_SYS_RESOURCE, hasCapability } from '../process/confine/capability-set.js';
import type { Exec } from '../process/exec.js';
import { runE2fsck } from './check/e2fsck.js';
import { parseExt4 } from './ext4-superblock.js';
import { isAtLeast, type ToolVersion } from './mkfs/mkfs-version.js';
import type { Filesystem, MkfsOption, MkfsRequest, UnmountedGrowth } from './filesystem.js';
import { readSuperblock } from './superblock.js';
import { complaint, growError } from './tool-failures.js';

/** Below it the journal, of 1024 blocks at least, takes too much, or has no room at all, with blocks of 4 KiB. */
const SMALLEST_VOLUME = 8n * 1024n * 1024n;

export const ext4: Filesystem = {
  type: 'ext4',
  needs: {
    programs: ['mkfs.ext4', 'e2fsck', 'resize2fs', 'cmp'],
    packages: 'e2fsprogs diffutils',
    without: 'ext4 volumes cannot be made, checked or grown',
  },
  // Below this there is no room for a journal (measured), even with blocks of 1 KiB.
  minimumBytes: 2n * 1024n * 1024n,
  smallestVolume: SMALLEST_VOLUME,
  mkfsFlags: 'bCEgGiIJLmNOr',
  mkfsTrial: {
    dryRun: '-n',
    makes: 'itself',
    sparse: [{ flag: '-E', value: 'nodiscard,lazy_itable_init=1,lazy_journal_init=1' }],
  },
  mkfsArguments,
  parseSuperblock: parseExt4,
  countedErrors,
  hidesShutdown: false,
  mountShowsDeviceNumber: true,
  mountOptions: (readOnly) => (readOnly ? ['ro'] : []),
  // ext4 is mounted beside another one of its uuid, and where checksums are made from the uuid (no metadata_csum_seed)
  // a new one means to write all metadata anew: cut short, that is a filesystem that only e2fsck can read.
  uuidOfCopy: undefined,
  check: (exec, device, deadline) => runE2fsck(exec, { device, force: false }, deadline),
  growProgram: 'resize2fs',
  growUnmounted,
  growsMountedHere: () => mayGrowMounted(),
  growMounted,
};

/**
 * A new filesystem can grow to 16 TiB from any size, mounted or not, and moves nothing for it (measured with e2fsprogs
 * 1.47: 2 MiB to 16 TiB in seconds). With `meta_bg` each stretch of the device carries the descriptors of its own
 * groups; else they stand in a row at the beginning, where a small filesystem has no room for more, and resize2fs
 * destroys it looking for some. Blocks of 4 KiB: with 1 KiB the descriptors end just below 1 TiB.
 */
const FEATURES = 'meta_bg,^resize_inode,64bit';
const BLOCK_BYTES = '4096';
/** mke2fs gives smaller ones an inode for each 4 KiB: 2^32 of them at 16 TiB, one too many to be counted. */
const SMALL_BYTES = 512n * 1024n * 1024n;
const BYTES_PER_INODE = '4104';
/**
 * Of several -E only the last counts (mke2fs.c), and so with -O: a user's are appended to these. A new thin image is
 * zero: no need to discard it.
 */
const EXTENDED = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';

/**
 * What e2fsprogs 1.47.2 and newer make by default: Linux before 4.4 does not mount the one, and before 5.15 does not
 * mount the other for writing after a crash. A guest's kernel may be that old.
 */
const LEFT_OUT = '^metadata_csum_seed,^orphan_file';
const KNOWS_THEM: ToolVersion = [1, 47];

function mkfsArguments({ uuid, options, force, sizeBytes, tool }: MkfsRequest): readonly string[] {
  const valuesOf = (wanted: string): readonly string[] =>
    options.filter(({ flag }) => flag === wanted).map(({ value }) => value);
  const asks = (...flags: readonly string[]): boolean => options.some(({ flag }) => flags.includes(flag));
  // -m0: blocks kept back for root are blocks that the user paid for.
  const ours = ['-q', '-U', uuid, '-m', '0', '-E', [EXTENDED, ...valuesOf('-E')].join(',')];
  const leftOut = isAtLeast(tool, KNOWS_THEM) ? [LEFT_OUT] : [];
  const features = [...(laysOutDescriptors(options) ? [] : [FEATURES]), ...leftOut, ...valuesOf('-O')];
  if (features.length > 0) ours.push('-O', features.join(','));
  if (sizeBytes >= SMALLEST_VOLUME) ours.push('-b', BLOCK_BYTES);
  if (sizeBytes < SMALL_BYTES && !asks('-i', '-N')) ours.push('-i', BYTES_PER_INODE);
  const theirs = options.filter(({ flag }) => flag !== '-E' && flag !== '-O');
  return [...ours, ...(force ? ['-F'] : []), ...theirs.flatMap(({ flag, value }) => [flag, value])];
}

/** Does the user himself say where the descriptors of groups that come later go? mke2fs takes one way only. */
const laysOutDescriptors = (options: readonly MkfsOption[]): boolean =>
  options.some(({ flag, value }) =>
    flag === '-O' ? /resize_inode|meta_bg|64bit|none/.test(value) : flag === '-E' && /(^|,)resize=/.test(value),
  );

/** Counted in the superblock until e2fsck has checked it; the kernel shows the count in sysfs. */
function countedErrors(number: string, sysRoot: string): string | undefined {
  const name = linkedName(path.join(sysRoot, 'dev/block', number));
  if (name === undefined) return undefined;
  const attribute = (file: string): string => readShown(path.join(sysRoot, 'fs/ext4', name, file)) ?? '';
  const count = Number(attribute('errors_count'));
  if (!(count > 0)) return undefined;
  const where = attribute('last_error_func');
  const at = Number(attribute('last_error_time'));
  const last = at > 0 ? `, the last ${where === '' ? '' : `in ${where} `}at ${new Date(at * 1000).toISOString()}` : '';
  return `its ext4 filesystem counts ${count} errors${last}; e2fsck is due`;
}

/**
 * A resize2fs that is killed, or gives up, can leave a filesystem that nothing repairs (one in four kills lost files,
 * measured with e2fsprogs 1.47). So it begins only behind a guard, and is not believed before e2fsck has seen the
 * result.
 */
async function growUnmounted(exec: Exec, { device, guard }: UnmountedGrowth, deadline: Deadline): Promise<void> {
  if (!(await hasRoomToGrow(device, deadline))) return;
  // resize2fs insists on a check after the last mount, and the check replays the journal.
  await runE2fsck(exec, { device, force: true }, deadline);
  await guard();
  // It opens the device for itself alone, so the kernel tells it of a mount.
  const confine = { device, writable: true };
  const work = { endsWhatIsBegun: true } as const;
  const result = await exec('resize2fs', [device], { deadline, okCodes: [0, 1], work, confine });
  if (result.exitCode !== 0) throw growError('ext4', device, complaint(result));
  await runE2fsck(exec, { device, force: true, endsWhatIsBegun: true }, deadline);
}

/** Not confined: the kernel asks for a privilege and for the mount, and has read the same filesystem itself. */
async function growMounted(exec: Exec, device: string, mountPoint: string, deadline: Deadline): Promise<void> {
  if (!(await hasRoomToGrow(device, deadline))) return;
  const result = await exec('resize2fs', [device], { deadline, okCodes: [0, 1], work: {} });
  if (result.exitCode === 0) return;
  const { stderr } = result;
  if (saysNotOpened(stderr)) throw growError('ext4', mountPoint, NOT_OPENED);
  throw growError('ext4', mountPoint, saysNotPermitted(stderr) ? whyNotPermitted() : complaint(result));
}

/** Smallest block that it may leave unused at the end of its device. */
const SLACK_BYTES = 64n * 1024n;

/** BERTH_GROWTH_IMPOSSIBLE where it can never become as large as its device: then nothing is tried. */
async function hasRoomToGrow(device: string, deadline: Deadline): Promise<boolean> {
  const { sizeBytes, growsTo: limit } = await readSuperblock(device, ext4, deadline);
  const size = await deviceSizeBytes(device);
  if (sizeBytes + SLACK_BYTES > size) return false;
  if (limit !== undefined && limit < size)
    throw berthError('BERTH_GROWTH_IMPOSSIBLE', { fs: 'ext4', what: device, size, limit });
  return true;
}

/** resize2fs: the kernel answered EPERM to EXT4_IOC_RESIZE_FS (e2fsprogs, resize/online.c). */
export const saysNotPermitted = (stderr: string): boolean => /Permission denied to resize filesystem/.test(stderr);

/**
 * resize2fs: it opens the device for writing as well, mounted or not (main.c), and a kernel may let nobody do so while
 * it is mounted (EPERM; Documentation/admin-guide/kernel-parameters.txt).
 */
export const saysNotOpened = (stderr: string): boolean =>
  /(Operation not permitted|Permission denied|Device or resource busy) while opening/i.test(stderr);

const NOT_OPENED =
  'the kernel lets nobody open a mounted device for writing (bdev_allow_write_mounted=0, or it was made so), ' +
  'which resize2fs asks for';

/** @param commandLine of the kernel: the last of several counts */
export const forbidsWritesToMounted = (commandLine: string): boolean => {
  const last = [...commandLine.matchAll(/(?:^|\s)bdev_allow_write_mounted=(\S+)/g)].at(-1);
  return /^(0|n|off)/i.test(last?.[1] ?? '');
};

function whyNotPermitted(): string {
  if (!hasPrivilege()) {
    return 'the kernel lets only CAP_SYS_RESOURCE grow a mounted ext4, and this process does not have it';
  }
  return 'the kernel refused it; ext4 does so where it recorded errors (kernel log)';
}

const hasPrivilege = (): boolean => hasCapability(readAttribute('/proc/self/status') ?? '', CAP_SYS_RESOURCE);

const mayGrowMounted = (): boolean => hasPrivilege() && !forbidsWritesToMounted(readShown('/proc/cmdline') ?? '');
