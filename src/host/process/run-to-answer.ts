/** Running programs whose exit code is an answer to be read with their messages, whatever it is. */
import type { Exec, ExecOptions, ExecResult } from './exec.js';

const ANY = Array.from({ length: 256 }, (_, code) => code);

/** Like `exec`, but every exit code comes back; a program that is missing, killed or late still throws. */
export const runToAnswer = (
  exec: Exec,
  file: string,
  args: readonly string[],
  options: Omit<ExecOptions, 'okCodes'>,
): Promise<ExecResult> => exec(file, args, { ...options, okCodes: ANY });
