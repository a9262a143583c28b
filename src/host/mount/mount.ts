/** Binds and unmounts through mount(8) and umount(8): one mount at a time, never recursive, never lazy. */
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { describeMountUsers } from './mount-users.js';
import type { Exec, ExecResult } from '../process/exec.js';
import { saysBusy, saysNotMounted } from './mount-messages.js';
import { mountAt } from './mountinfo.js';

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
  if ((await mountAt(target)) !== undefined) await unmountSeen(exec, target, deadline);
}

/** As {@link unmount}, for a caller that has just seen a mount there. */
export async function unmountSeen(exec: Exec, target: string, deadline: Deadline): Promise<void> {
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

export const oneLine = ({ stderr }: Pick<ExecResult, 'stderr'>): string => stderr.replaceAll(/\s+/g, ' ').trim();

/** mount(8) or umount(8) failed in a way that has no error of its own. */
export const mountCommandError = (command: string, result: ExecResult) =>
  berthError('BERTH_COMMAND_FAILED', { command, how: `exit code ${result.exitCode}`, stderr: oneLine(result) });
