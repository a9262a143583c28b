#!/usr/bin/env node
/** The driver for development and tests: the one that ships, the loop-device mapper, and an end at a chosen step. */
import { run } from '../host/process/exec.js';
import type { Logger } from '../observe/log.js';
import type { EnteredStep } from '../volume/operation/operations.js';
import { runProgram } from '../wiring/run-program.js';
import { CRASH_AT, crashAt } from './driver/crash-at.js';
import { LoopMapper } from './mapper/loop-mapper.js';

function endAtChosenStep(log: Logger): ((at: EnteredStep) => void) | undefined {
  const step = process.env[CRASH_AT];
  if (step === undefined) return undefined;
  log.warn({ step }, `${CRASH_AT} is set: this process will end itself`);
  return crashAt(step);
}

/** An operation's own time, in ms: a test outlasts it without waiting for a minute. */
const OPERATION_MS = 'BERTH_OPERATION_MS';
const operationMs = Number(process.env[OPERATION_MS]);

await runProgram(process.argv.slice(2), {
  mappers: ({ stateDirectory: stateDir }, log) => [new LoopMapper({ exec: run, stateDir, log })],
  stepObserver: endAtChosenStep,
  operationMs: operationMs > 0 ? operationMs : undefined,
});
