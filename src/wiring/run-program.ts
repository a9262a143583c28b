/** What `berth` does with its command line: serves, or runs one command for a person. Programs differ in additions. */
import { adoptArguments } from '../cli/adopt.js';
import { commandOf } from '../cli/command.js';
import { doctorArguments } from '../cli/doctor.js';
import { isBerthError } from '../model/errors.js';
import { packageVersion } from '../model/package-root.js';
import { parseOptions, USAGE } from '../options.js';
import type { Additions } from './additions.js';
import { adopt, atTerminal, doctor } from './commands.js';
import { serve } from './serve.js';

/** Run it and set the exit code; an error is printed, never thrown. */
export async function runProgram(args: readonly string[], additions: Additions): Promise<void> {
  try {
    process.exitCode = await dispatch(args, additions);
  } catch (error) {
    process.stderr.write(
      `${isBerthError(error) ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exit(1);
  }
}

async function dispatch(args: readonly string[], additions: Additions): Promise<number> {
  const asked = doctorArguments(args);
  if (asked !== undefined) return doctor(asked.rest, asked.json, additions);
  const adopted = adoptArguments(args, process.env);
  if (adopted !== undefined) return adopt(adopted);
  const command = commandOf(args);
  if (command !== undefined) return atTerminal(command);
  const options = parseOptions(args, process.env);
  if (options === 'help' || options === 'version') {
    process.stdout.write(options === 'help' ? USAGE : `${packageVersion()}\n`);
    return 0;
  }
  await serve(options, additions);
  return 0;
}
