#!/usr/bin/env node
/**
 * The binary `cephrbd`: one line of JSON on standard output whatever happens, nothing on standard error, exit status 0.
 */
import { writeSync } from 'node:fs';
import { failure, lineOf, type Answer } from './answer.js';
import { answerTo } from './callout.js';
import { readSettings } from './settings.js';

/** Beyond the time of a call, in ms: where even the way to the agent and back is stuck. */
const LAST_RESORT_MS = 5_000;

let said = false;

/** The kubelet reads standard output and standard error as one text: a second line would spoil the first. */
function say(answer: Answer): never {
  if (!said) {
    said = true;
    try {
      writeSync(1, lineOf(answer));
    } catch {
      // Nobody reads any more.
    }
  }
  process.exit(0);
}

const asFailure = (error: unknown): Answer => failure(`berth: ${error instanceof Error ? error.message : 'failed'}`);

/** As a single file the program is Node itself; as a script, also on the copy of Node beside it, its first argument. */
function ownPath(): string {
  const isScript = /(^|[/.])node(js)?(-[\da-f]+)?[\d.]*$/.test(process.execPath);
  return isScript ? (process.argv[1] ?? process.execPath) : process.execPath;
}

function main(): void {
  const program = ownPath();
  let settings;
  try {
    settings = readSettings(program);
  } catch (error) {
    say(
      failure(`berth: the settings beside ${program} cannot be used: ${error instanceof Error ? error.message : ''}`),
    );
  }
  setTimeout(() => say(failure('berth: no answer in time')), settings.limitMs + LAST_RESORT_MS);
  answerTo(process.argv.slice(2), settings).then(say, (error: unknown) => say(asFailure(error)));
}

process.removeAllListeners('warning');
process.on('uncaughtException', (error) => say(asFailure(error)));
process.on('unhandledRejection', (error) => say(asFailure(error)));
main();
