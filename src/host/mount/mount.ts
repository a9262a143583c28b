/** Mounts and unmounts through mount(8) and umount(8): one mount at a time, never recursive, never lazy. */
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { describeMountUsers } from './mount-users.js';
import type { Exec, ExecResult } from '../process/exec.js';
import { checkMountFlags } from './mount-flags.js';
import { saysBusy, saysDamaged, saysNotMounted, saysRefused } from './mount-messages.js';
import { mountAt } from './mountinfo.js';

export interface FilesystemMount {
  readonly device: string;
  /** Absolute, resolved (target-path.ts), an existing directory. */
  readonly target: string;
  readonly fsType: string;
  /** As they were asked for. */
  readonly options: readonly string[];
  /** What Berth itself mounts with, before `options`: never the reason for a refusal. */
  readonly always?: readonly string[];
}

export interface BindMount {
  /** A directory, or a file such as a device node; absolute. */
  readonly source: string;
  /** Of the same kind, absolute, resolved. */
  readonly target: string;
  /** Stops changes through this mount. Of a bound device node it stops nothing: use setReadOnly for that. */
  readonly readOnly: boolean;
}

/** mount(8) and umount(8): the system call failed. */
const FAILED = 32;
/** Undoing gets a little time of its own, the caller's may be over. */
const UNDO_MS = 2_000;

/**
 * Mount the filesystem on a device. BERTH_FIELD_INVALID for options that would mount something else or that the kernel
 * refuses, BERTH_FILESYSTEM_DAMAGED, BERTH_COMMAND_FAILED, DEADLINE; after DEADLINE it may be mounted nevertheless.
 */
export async function mountFilesystem(exec: Exec, mount: FilesystemMount, deadline: Deadline): Promise<void> {
  const { device, target, fsType, always = [] } = mount;
  checkMountFlags('mount flags', mount.options);
  const options = [...new Set([...always, ...mount.options])];
  const flags = options.length === 0 ? [] : ['-o', options.join(',')];
  const result = await exec('mount', ['-t', fsType, ...flags, '--', device, target], {
    deadline,
    okCodes: [0, FAILED],
  });
  if (result.exitCode === 0) return;
  if (saysDamaged(result.stderr)) {
    throw berthError('BERTH_FILESYSTEM_DAMAGED', { fs: fsType, volume: device, why: oneLine(result) });
  }
  const asked = mount.options.filter((option) => option !== 'ro' && !always.includes(option));
  if (asked.length > 0 && saysRefused(result.stderr)) throw mountRefusedError(fsType, asked);
  throw mountCommandError('mount', result);
}

/** By name only: values may be sensitive (CSI 1.12). */
function mountRefusedError(fsType: string, options: readonly string[]) {
  const names = options.flatMap((option) => option.split(',')).map((one) => one.split('=', 1)[0]);
  const refusal = `the kernel refuses ${fsType} with ${names.join(', ')}`;
  const why = `${refusal}; one of them is unknown to it or has a wrong value`;
  return berthError('BERTH_FIELD_INVALID', { field: 'mount flags', why });
}

/**
 * Make a directory or file appear at a second place as well; BERTH_COMMAND_FAILED, DEADLINE. A failure takes a new
 * mount at `target` away again where it can.
 */
export async function bindMount(exec: Exec, bind: BindMount, deadline: Deadline): Promise<void> {
  const { source, target, readOnly } = bind;
  const before = (await mountAt(target))?.id;
  try {
    await exec('mount', ['--bind', ...(readOnly ? ['-o', 'ro'] : []), '--', source, target], { deadline });
    if (readOnly) await ensureReadOnly(exec, target, deadline);
  } catch (error) {
    // Two system calls make a read-only bind; a writable one must not stay behind when the second fails.
    if ((await mountAt(target))?.id !== before) {
      await unmount(exec, target, Deadline.after(UNDO_MS)).catch(() => undefined);
    }
    throw error;
  }
}

/**
 * Unmount the topmost mount at exactly `target`; none there is a success. BERTH_UNMOUNT_BUSY names users that are
 * quickly found, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function unmount(exec: Exec, target: string, deadline: Deadline): Promise<void> {
  if ((await mountAt(target)) === undefined) return;
  // --no-canonicalize: the path is resolved already, and looking at a dead filesystem again may hang.
  const result = await exec('umount', ['--no-canonicalize', '--', target], { deadline, okCodes: [0, 1, FAILED] });
  if (result.exitCode === 0) return;
  if (saysBusy(result.stderr))
    throw berthError('BERTH_UNMOUNT_BUSY', { path: target, who: await describeMountUsers(target) });
  if (saysNotMounted(result.stderr) && (await mountAt(target)) === undefined) return;
  throw mountCommandError('umount', result);
}

/** Make the bind mount at `target` refuse changes if it does not yet; BERTH_COMMAND_FAILED, DEADLINE. */
export async function ensureReadOnly(exec: Exec, target: string, deadline: Deadline): Promise<void> {
  // util-linux does both system calls since 2.27, the busybox of a small image only the first.
  if (await isReadOnlyAt(target)) return;
  await exec('mount', ['-o', 'remount,bind,ro', '--', target], { deadline });
  if (await isReadOnlyAt(target)) return;
  throw berthError('BERTH_COMMAND_FAILED', {
    command: 'mount',
    how: 'exit code 0',
    stderr: `${target} is still writable`,
  });
}

const isReadOnlyAt = async (target: string): Promise<boolean> =>
  (await mountAt(target))?.options.includes('ro') ?? false;

const oneLine = (result: ExecResult): string => result.stderr.replaceAll(/\s+/g, ' ').trim();

const mountCommandError = (command: string, result: ExecResult) =>
  berthError('BERTH_COMMAND_FAILED', { command, how: `exit code ${result.exitCode}`, stderr: oneLine(result) });
