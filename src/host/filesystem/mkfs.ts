/**
 * Makes a filesystem on an empty device, and looks itself whether it is empty: without a terminal mkfs.ext4 overwrites
 * without asking.
 */
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { deviceNumber, deviceSizeBytes } from '../device/block-device.js';
import type { Exec } from '../process/exec.js';
import { readMounts } from '../mount/mountinfo.js';
import { parseMkfsOptions, type MkfsOption } from './mkfs-options.js';
import { probe } from './probe.js';

export interface NewFilesystem {
  readonly device: string;
  readonly type: FilesystemType;
  readonly uuid: string;
  /** The user's, split at spaces (mkfs-options.ts says which). */
  readonly options: readonly string[];
  /** Only to repeat a mkfs of our own that did not end, known from the volume's record: then content is overwritten. */
  readonly force?: boolean;
  /** The caller has just probed the device, alone with it, and found it empty: it is not read a second time. */
  readonly probed?: boolean;
}

const MIB = 1024n * 1024n;
/** xfsprogs refuses less than 300 MiB since 5.19; ext4 has no room for a journal below 2 MiB (both measured). */
const MINIMUM_BYTES: Readonly<Record<FilesystemType, bigint>> = { ext4: 2n * MIB, xfs: 300n * MIB };
/**
 * Of several -E only the last counts (mke2fs.c), so a user's are appended to these. A new thin image is zero: no need
 * to discard it.
 */
const EXT4_EXTENDED = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';

/** The smallest device, in bytes, that this filesystem can be made on. */
export const minimumSizeBytes = (type: FilesystemType): bigint => MINIMUM_BYTES[type];

/**
 * BERTH_FORMAT_REFUSED where the device holds anything, is mounted or too small; BERTH_FIELD_INVALID for options;
 * BERTH_PROBE_FAILED, BERTH_DEVICE_INVALID, BERTH_COMMAND_FAILED, DEADLINE. After DEADLINE the device may hold half a
 * filesystem.
 */
export async function makeFilesystem(exec: Exec, wanted: NewFilesystem, deadline: Deadline): Promise<void> {
  const { device, type, uuid, force = false, probed = false } = wanted;
  const options = parseMkfsOptions('mkfs options', type, wanted.options);
  const refuse = (why: string) => berthError('BERTH_FORMAT_REFUSED', { volume: device, why });
  const size = await deviceSizeBytes(device);
  if (size < MINIMUM_BYTES[type])
    throw refuse(`${size} bytes are too few for ${type}, ${MINIMUM_BYTES[type]} are needed`);
  const number = await deviceNumber(device);
  const mount = (await readMounts()).find((one) => one.device === number);
  if (mount !== undefined) throw refuse(`it is mounted at ${mount.target}`);
  if (!force && !probed) {
    const content = await probe(exec, device, deadline);
    if (content.kind !== 'empty') throw refuse(`it holds ${content.kind === 'other' ? content.what : content.type}`);
  }
  const args = type === 'ext4' ? ext4Arguments(uuid, options, force) : xfsArguments(uuid, options, force);
  await exec(`mkfs.${type}`, [...args, device], { deadline });
}

function ext4Arguments(uuid: string, options: readonly MkfsOption[], force: boolean): readonly string[] {
  const extended = [EXT4_EXTENDED, ...options.filter(({ flag }) => flag === '-E').map(({ value }) => value)];
  // -m0: blocks kept back for root are blocks that the user paid for.
  const ours = ['-q', '-U', uuid, '-m', '0', '-E', extended.join(',')];
  const theirs = options.filter(({ flag }) => flag !== '-E').flatMap(({ flag, value }) => [flag, value]);
  return [...ours, ...(force ? ['-F'] : []), ...theirs];
}

function xfsArguments(uuid: string, options: readonly MkfsOption[], force: boolean): readonly string[] {
  const theirs = options.flatMap(({ flag, value }) => [flag, value]);
  return ['-q', '-K', '-m', `uuid=${uuid}`, ...(force ? ['-f'] : []), ...theirs];
}
