/** e2fsck: the check of an unmounted ext4 that repairs what needs no person to decide; it takes as long as it takes. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Exec } from '../../process/exec.js';
import { runToAnswer } from '../../process/run-to-answer.js';
import { oneLine } from '../tool-failures.js';

/** e2fsck(8): bits 1 and 2 mean corrected, everything above means not. */
const CORRECTED = 3;
/** Where -C makes it say how far it is: the descriptor that exec.ts reads. */
const TELL_PROGRESS = ['-C', '3'];

/**
 * Check, and repair, what is not mounted. It replays the journal in user space, and is quick on what is clean, unless
 * `force`. BERTH_FILESYSTEM_DAMAGED, BERTH_COMMAND_MISSING, BERTH_COMMAND_FAILED. The deadline stands still meanwhile.
 */
export async function runE2fsck(
  exec: Exec,
  device: string,
  { force }: { readonly force: boolean },
  deadline: Deadline,
): Promise<void> {
  const args = [...(force ? ['-f'] : []), '-p', ...TELL_PROGRESS, device];
  const result = await runToAnswer(exec, 'e2fsck', args, { deadline, work: { progress: e2fsckProgress } });
  if (result.exitCode <= CORRECTED) return;
  // e2fsck explains itself on standard output.
  const said = oneLine(`${result.stdout} ${result.stderr}`);
  const why = `e2fsck ended with ${result.exitCode}: ${said}`;
  throw berthError('BERTH_FILESYSTEM_DAMAGED', { fs: 'ext4', volume: device, why });
}

/** A line of `-C`: the pass of five, how much of it is done, of how much, and the device. */
export function e2fsckProgress(line: string): string | undefined {
  const [, pass, done, all] = /^([1-5]) (\d+) (\d+) /.exec(line) ?? [];
  if (pass === undefined || Number(all) === 0) return undefined;
  return `${Math.floor((100 * Number(done)) / Number(all))} % of pass ${pass} of 5`;
}
