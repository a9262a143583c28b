/** What `berth` does with its command line: serves, or runs one command for a person. Programs differ in additions. */
import { parseCommandLine } from '../cli/command-line.js';
import { EXIT_CODES, type ExitCode } from '../cli/exit-codes.js';
import { isBerthError } from '../model/errors.js';
import type { Additions } from './additions.js';
import { endWhatIsLeft } from './end-what-is-left.js';
import { manifests } from './commands/print-manifests.js';
import { adopt, attachments, garbage, undelete, unstage } from './commands/run-commands.js';
import { doctor, trace, volumes } from './commands/view-commands.js';
import { serve } from './serve.js';

/** Run it and set the exit code; an error is printed, never thrown. */
export async function runProgram(args: readonly string[], additions: Additions): Promise<void> {
  try {
    process.exitCode = await dispatch(args, additions);
  } catch (error) {
    process.stderr.write(
      `${isBerthError(error) ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exit(EXIT_CODES.failed);
  }
}

async function dispatch(args: readonly string[], additions: Additions): Promise<ExitCode> {
  const request = parseCommandLine(args, process.env);
  switch (request.kind) {
    case 'serve':
      await serve(request.options, additions);
      endWhatIsLeft();
      return EXIT_CODES.well;
    case 'doctor':
      return doctor(request.options, request, additions);
    case 'adopt':
      return adopt(request.adopt);
    case 'trace':
      return trace(request.options, request.subject, request.view);
    case 'volumes':
      return volumes(request.options, request.view);
    case 'undelete':
      return undelete(request.options, request.undelete);
    case 'unstage':
      return unstage(request.options, request.volume);
    case 'garbage':
      return garbage(request.options, request);
    case 'attachments':
      return attachments(request.options, request);
    case 'manifests':
      return manifests(request.given);
    case 'print':
      process.stdout.write(request.text);
      return EXIT_CODES.well;
  }
}
