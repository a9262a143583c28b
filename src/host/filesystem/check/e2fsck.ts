/** e2fsck: the check of an unmounted ext4 that repairs what needs no person to decide; it takes as long as it takes. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Exec, ExecResult, Work } from '../../process/exec.js';
import { takeMemory } from '../../process/memory-share.js';
import { runToAnswer } from '../../process/run-to-answer.js';
import { oneLine } from '../tool-failures.js';

/** e2fsck(8): the exit code is a sum. 1 and 2 mean corrected; 4 that errors are left; what is above, that it failed. */
const CORRECTED = 3;
const LEFT = 4;
/** Where -C makes it say how far it is: the descriptor that exec.ts reads. */
const TELL_PROGRESS = ['-C', '3'];
/** How exec.ts names the end by that signal. */
const SIGKILL = '(SIGKILL)';
const MIB = 1024 * 1024;

interface Check {
  readonly device: string;
  /** Look at all of it, also where the superblock says that it is clean. */
  readonly force: boolean;
  /** {@link Work.endsWhatIsBegun}. */
  readonly endsWhatIsBegun?: Work['endsWhatIsBegun'];
}

/**
 * Check, and repair, what is not mounted. It replays the journal in user space, and is quick on what is clean.
 * BERTH_FILESYSTEM_DAMAGED where a person has to decide; BERTH_CHECK_FAILED and BERTH_CHECK_OUT_OF_MEMORY where it did
 * not come to an end, which says nothing of the filesystem; BERTH_COMMAND_MISSING. The deadline stands still meanwhile.
 */
export async function runE2fsck(exec: Exec, check: Check, deadline: Deadline): Promise<void> {
  let { result, bytes } = await within(exec, check, 'half', deadline);
  if (saysOutOfMemory(result)) ({ result, bytes } = await within(exec, check, 'all', deadline));
  if (result.exitCode <= CORRECTED) return;
  throw e2fsckError(check.device, result, bytes);
}

async function within(
  exec: Exec,
  { device, force, endsWhatIsBegun }: Check,
  part: 'half' | 'all',
  deadline: Deadline,
): Promise<{ readonly result: ExecResult; readonly bytes: number }> {
  const { bytes, giveBack } = await takeMemory(part);
  try {
    const result = await runToAnswer(exec, 'e2fsck', [...(force ? ['-f'] : []), '-p', ...TELL_PROGRESS, device], {
      deadline,
      work: { progress: e2fsckProgress, endsWhatIsBegun },
      confine: { device, writable: true, memoryBytes: bytes },
    });
    return { result, bytes };
  } catch (error) {
    if (!isBerthError(error, 'BERTH_COMMAND_FAILED') || !error.message.includes(SIGKILL)) throw error;
    const why = 'e2fsck was killed from outside: by somebody, or by the kernel where memory ran out';
    throw berthError('BERTH_CHECK_FAILED', { fs: 'ext4', volume: device, why }, error);
  } finally {
    giveBack();
  }
}

/** Why it did not end with a filesystem that can be mounted. @param bytes the memory that it had */
export function e2fsckError(device: string, result: ExecResult, bytes: number): Error {
  const { exitCode } = result;
  // e2fsck explains itself on standard output.
  const why = `e2fsck ended with ${exitCode}: ${oneLine(`${result.stdout} ${result.stderr}`)}`;
  if (saysOutOfMemory(result)) {
    return berthError('BERTH_CHECK_OUT_OF_MEMORY', { fs: 'ext4', volume: device, mib: Math.floor(bytes / MIB) });
  }
  const isDamaged = (exitCode & LEFT) !== 0 || saysNoSuperblock(result);
  if (isDamaged && !saysDeviceFailed(result)) {
    return berthError('BERTH_FILESYSTEM_DAMAGED', { fs: 'ext4', volume: device, why });
  }
  return berthError('BERTH_CHECK_FAILED', { fs: 'ext4', volume: device, why });
}

const says = (pattern: RegExp, { stdout, stderr, exitCode }: ExecResult): boolean =>
  exitCode > CORRECTED && pattern.test(`${stdout}\n${stderr}`);

/** ENOMEM, also of e2fsprogs' own libraries; and its dynamic linker, where not even that got its memory. */
const saysOutOfMemory = (result: ExecResult): boolean =>
  says(/memory allocation failed|cannot allocate memory|not enough memory|failed to map segment/i, result);

/** Exit code 8, as for all that kept it from its work, and yet about the filesystem itself. */
const saysNoSuperblock = (result: ExecResult): boolean =>
  says(/bad magic number in super-?block|superblock could not be read|superblock checksum does not match/i, result);

/** What the device or the cluster did, whatever the exit code says of the filesystem. */
const saysDeviceFailed = (result: ExecResult): boolean =>
  says(/\(input\/output error\)|: input\/output error|resulted in short (read|write)/i, result);

/** A line of `-C`: the pass of five, how much of it is done, of how much, and the device. */
export function e2fsckProgress(line: string): string | undefined {
  const [, pass, done, all] = /^([1-5]) (\d+) (\d+) /.exec(line) ?? [];
  if (pass === undefined || Number(all) === 0) return undefined;
  return `${Math.floor((100 * Number(done)) / Number(all))} % of pass ${pass} of 5`;
}
