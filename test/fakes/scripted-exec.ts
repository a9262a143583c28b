/** An Exec that runs nothing: it answers as its script says and remembers what it was asked. */
import type { Exec, ExecResult } from '../../src/host/process/exec.js';
import { berthError } from '../../src/model/errors.js';

export interface ScriptedExec {
  readonly exec: Exec;
  /** Command lines, in order. */
  readonly calls: readonly string[];
}

/**
 * `answer` gives what differs from a silent success; exit codes that the caller does not expect fail as the real one's
 * do.
 */
export function scriptedExec(answer: (command: string) => Partial<ExecResult>): ScriptedExec {
  const calls: string[] = [];
  const exec: Exec = (file, args, options) => {
    const command = [file, ...args].join(' ');
    calls.push(command);
    const result = { stdout: '', stderr: '', exitCode: 0, ...answer(command) };
    if ((options.okCodes ?? [0]).includes(result.exitCode)) return Promise.resolve(result);
    const params = { command: file, how: `exit code ${result.exitCode}`, stderr: result.stderr };
    return Promise.reject(berthError('BERTH_COMMAND_FAILED', params));
  };
  return { exec, calls };
}
