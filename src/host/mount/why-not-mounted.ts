/** Why a filesystem could not be mounted: what mount(8) and the kernel said, and what stands in its superblock. */
import path from 'node:path';
import { uptime } from 'node:os';
import { isFilesystemType } from '../../model/capability.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { leavesJournal, readMountFlags } from '../../model/mount/mount-flags.js';
import { deviceSizeBytes } from '../device/block-device.js';
import { readFirstPage } from '../device/first-page.js';
import { filesystems } from '../filesystem/filesystems.js';
import type { Exec, ExecResult } from '../process/exec.js';
import { describeUsers } from '../users/describe-users.js';
import { usersOfDevice } from '../users/find-users.js';
import {
  kernelLines,
  saysDamaged,
  saysInUse,
  saysRefused,
  saysUnreadable,
  saysWriteProtected,
} from './mount-messages.js';
import { mountCommandError, oneLine } from './mount.js';
import { unknownFeatures } from './unknown-features.js';

export interface FilesystemMount {
  readonly device: string;
  /** Absolute, resolved (target-path.ts), an existing directory. */
  readonly target: string;
  readonly fsType: string;
  /** As they were asked for, one or several in each. */
  readonly options: readonly string[];
  /**
   * What Berth itself mounts with, before `options`: never the reason for a refusal.
   * `ro` among them where it is only read.
   */
  readonly always?: readonly string[];
}

/** What a search for an error text may take, in ms. */
const SEARCH_MS = 1_500;
/** Lines of the kernel that are shown, and how old they may be, in s: its clock and ours differ a little. */
const LINES_SHOWN = 3;
const RECENT_S = 1;
const ROOTS = { sys: '/sys', proc: '/proc' };

/**
 * BERTH_FILESYSTEM_DAMAGED, BERTH_DEVICE_BUSY naming who has it, BERTH_REPLAY_NEEDED, BERTH_FIELD_INVALID naming the
 * flags only where the mount works without them, BERTH_MOUNT_REFUSED, BERTH_COMMAND_FAILED.
 */
export async function mountError(
  exec: Exec,
  mount: FilesystemMount,
  result: ExecResult,
  deadline: Deadline,
): Promise<Error> {
  const { device, fsType: fs, always = [] } = mount;
  const { stderr } = result;
  const said = oneLine(result);
  if (saysDamaged(stderr)) {
    const words = await kernelWords(exec, device);
    return berthError('BERTH_FILESYSTEM_DAMAGED', { fs, volume: device, why: join(said, words) });
  }
  if (saysInUse(stderr)) return berthError('BERTH_DEVICE_BUSY', { device, who: await whoHas(device) });
  if (saysWriteProtected(stderr)) {
    const isReader = always.includes('ro');
    if (isReader) return berthError('BERTH_REPLAY_NEEDED', { fs, device });
  }
  if (!saysRefused(stderr) && !saysUnreadable(stderr) && !saysWriteProtected(stderr))
    return mountCommandError('mount', result);
  const [wrong, words] = [await whatIsWrong(mount, deadline), await kernelWords(exec, device)];
  if (wrong === undefined && saysRefused(stderr)) {
    const names = blamable(mount);
    if (names.length > 0 && (await worksWithoutFlags(exec, mount, deadline))) return flagsError(fs, names);
  }
  return berthError('BERTH_MOUNT_REFUSED', { fs, device, why: join(wrong ?? lacking(fs, words) ?? said, words) });
}

/** This kernel is older than the filesystem, or made without what it needs. */
function lacking(fs: string, words: string): string | undefined {
  const features = unknownFeatures(words);
  if (features.length === 0) return undefined;
  return `this kernel does not know ${features.join(', ')} of its ${fs}, which a newer mkfs made`;
}

/** By name only: values may be sensitive (CSI 1.12). */
function flagsError(fs: string, names: readonly string[]): Error {
  const why = `the kernel refuses ${fs} with ${names.join(', ')}; one of them is unknown to it or has a wrong value`;
  return berthError('BERTH_FIELD_INVALID', { field: 'mount flags', why });
}

const blamable = ({ options, always = [] }: FilesystemMount): readonly string[] =>
  readMountFlags(options)
    .filter(({ name, text }) => name !== 'ro' && name !== 'rw' && !always.includes(text))
    .map(({ name }) => name);

/**
 * The same mount with Berth's own options alone, in a mount namespace that ends with the child. It applies a journal
 * only where the mount that was asked for would have.
 */
async function worksWithoutFlags(
  exec: Exec,
  { device, target, fsType, always = [], options }: FilesystemMount,
  deadline: Deadline,
): Promise<boolean> {
  if (leavesJournal(options)) return false;
  const flags = always.length === 0 ? [] : ['-o', always.join(',')];
  const args = ['--mount', '--', 'mount', '-t', fsType, ...flags, '--', device, target];
  try {
    return (await exec('unshare', args, { deadline, okCodes: [0, 1, 32] })).exitCode === 0;
  } catch (error) {
    if (isBerthError(error, 'BERTH_COMMAND_MISSING', 'BERTH_COMMAND_FAILED')) return false;
    throw error;
  }
}

/** What the first page says against a mount; undefined where it says nothing, or cannot be read. */
async function whatIsWrong({ device, fsType }: FilesystemMount, deadline: Deadline): Promise<string | undefined> {
  if (!isFilesystemType(fsType)) return undefined;
  try {
    const superblock = filesystems[fsType].parseSuperblock(await readFirstPage(device, deadline));
    if (superblock === undefined) return `there is no ${fsType} superblock on it: something has written over it`;
    const size = await deviceSizeBytes(device);
    if (superblock.sizeBytes <= size) return undefined;
    return `the device has ${size} bytes, fewer than the ${superblock.sizeBytes} of its filesystem: was it shrunk?`;
  } catch {
    return undefined;
  }
}

async function whoHas(device: string): Promise<string> {
  try {
    const users = await usersOfDevice(device, { roots: ROOTS, deadline: Deadline.after(SEARCH_MS) });
    return describeUsers(users) ?? 'nobody who can be seen from here';
  } catch {
    return 'its users could not be determined';
  }
}

/** The kernel's own last words about the device, where its log may be read; empty for none. */
async function kernelWords(exec: Exec, device: string): Promise<string> {
  try {
    const { stdout } = await exec('dmesg', [], { deadline: Deadline.after(SEARCH_MS) });
    return kernelLines(stdout, path.basename(device), uptime() - RECENT_S)
      .slice(-LINES_SHOWN)
      .join('; ');
  } catch {
    return '';
  }
}

const join = (said: string, words: string): string => (words === '' ? said : `${said} (kernel: ${words})`);
