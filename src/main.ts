#!/usr/bin/env node
/** The program: reads its command line and serves, or runs one command for a person. */
import { adoptArguments } from './cli/adopt.js';
import { commandOf } from './cli/command.js';
import { doctorArguments } from './cli/doctor.js';
import { packageVersion } from './model/package-root.js';
import { isBerthError } from './model/errors.js';
import { parseOptions, USAGE } from './options.js';
import { adopt, atTerminal, doctor } from './wiring/commands.js';
import { serve } from './wiring/serve.js';

async function main(): Promise<number> {
  const asked = doctorArguments(process.argv.slice(2));
  if (asked !== undefined) return doctor(asked.rest, asked.json);
  const adopted = adoptArguments(process.argv.slice(2), process.env);
  if (adopted !== undefined) return adopt(adopted);
  const command = commandOf(process.argv.slice(2));
  if (command !== undefined) return atTerminal(command);
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options === 'help' || options === 'version') {
    process.stdout.write(options === 'help' ? USAGE : `${packageVersion()}\n`);
    return 0;
  }
  await serve(options);
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `${isBerthError(error) ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exit(1);
  },
);
