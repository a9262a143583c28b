#!/usr/bin/env node
/** The driver for development and tests: the one that ships, the loop-device mapper, and an end at a chosen step. */
import { run } from '../host/process/exec.js';
import type { Logger } from '../observe/log.js';
import type { EnteredStep } from '../volume/operation/operation-settings.js';
import { runProgram } from '../wiring/run-program.js';
import { CRASH_AT, crashAt, FREEZE_AT, freezeAt } from './driver/crash-at.js';
import { LoopMapper } from './mapper/loop-mapper.js';

type Observer = (at: EnteredStep) => void;

function endAtChosenStep(log: Logger): Observer | undefined {
  const { [CRASH_AT]: crash, [FREEZE_AT]: freeze } = process.env;
  if (crash !== undefined) log.warn({ step: crash }, `${CRASH_AT} is set: this process will end itself`);
  if (freeze !== undefined) log.warn({ step: freeze }, `${FREEZE_AT} is set: this process will freeze itself`);
  if (crash !== undefined) return crashAt(crash);
  return freeze === undefined ? undefined : freezeAt(freeze);
}

/** An operation's own time, in ms: a test outlasts it without waiting for a minute. */
const OPERATION_MS = 'BERTH_OPERATION_MS';
const operationMs = Number(process.env[OPERATION_MS]);

/** `6,12`: the limits of chains of copies, so that a test need not make long ones. */
const CHAIN_LIMITS = 'BERTH_CHAIN_LIMITS';
const [toFlatten = 0, most = 0] = (process.env[CHAIN_LIMITS] ?? '').split(',').map(Number);

/** Where the virtual machines of this driver's tests keep their files: those of others on this machine do not count. */
const GUESTS_IN = 'BERTH_GUESTS_IN';
const guestsIn = process.env[GUESTS_IN];

await runProgram(process.argv.slice(2), {
  mappers: ({ stateDirectory: stateDir }, log) => [new LoopMapper({ exec: run, stateDir, log })],
  stepObserver: endAtChosenStep,
  operationMs: operationMs > 0 ? operationMs : undefined,
  chainLimits: toFlatten > 0 ? { toFlatten, most } : undefined,
  isGuest: (argv) => guestsIn === undefined || argv.some((one) => one.includes(`${guestsIn}/`)),
});
