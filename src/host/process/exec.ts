/**
 * Runs a program with an argument array and a deadline, and always answers:
 * with its output or an error of the catalogue.
 */
import { once } from 'node:events';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { ChildGate } from './child-gate.js';
import { noteChild } from './children.js';
import { confined, saysNotConfined, type Confinement } from './confine/confine.js';
import { whyNotStarted } from './orphan-proof.js';
import { endGroup } from './signal-group.js';
import { MAX_OUTPUT_CHARACTERS, startBound, startNew, type Outcome, type StartedChild } from './start/start-child.js';
import { checkWorkMayBegin, wasCut } from './work-at-stop.js';
import { readBounded, readProgress } from './work-output.js';

export interface ExecOptions {
  readonly deadline: Deadline;
  /** Written to the child's standard input: the only way for a secret into a child. */
  readonly input?: string;
  /** Exit codes that are answers, not failures; default [0]. */
  readonly okCodes?: readonly number[];
  /** Added to the few variables children get; never secrets, /proc shows them. */
  readonly env?: Readonly<Record<string, string>>;
  /** The child is given all the time that it needs; default: it is killed at the deadline. */
  readonly work?: Work;
  /** For a tool that parses what a guest may have written: it runs as nobody and sees this device only. */
  readonly confine?: Confinement;
}

/**
 * What a child does that begins from zero when it is cut, or does harm then: a check, a repair, a growth. It runs to
 * its end or the driver's, however long, and the deadline, its operation's as a rule, stands still meanwhile. Its
 * callers get DEADLINE or BUSY with its progress, and join its operation when they come again.
 */
export interface Work {
  /**
   * Reads what the child writes to its descriptor 3, line by line: how far it has come, for a sentence (`34 % of
   * pass 1`); undefined for a line that says nothing. Without it the child has no such descriptor.
   */
  readonly progress?: (line: string) => string | undefined;
  /**
   * It ends what was begun before it, which would be for nothing else: a driver that is to stop begins this as well.
   * Other work is refused then: BERTH_SHUTTING_DOWN.
   */
  readonly endsWhatIsBegun?: true | undefined;
}

/** Output without its final newline. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/**
 * Run `file` (no shell); throws BERTH_COMMAND_FAILED, BERTH_COMMAND_MISSING or DEADLINE; for {@link Work} also
 * BERTH_SHUTTING_DOWN, where it does not begin any more or was cut (work-at-stop.ts).
 */
export type Exec = (file: string, args: readonly string[], options: ExecOptions) => Promise<ExecResult>;

/** From SIGTERM to giving the child up: one in D state does not die, and its pipes may have been inherited. */
const ABANDON_MS = 900;
/** How long after a child's exit its output may still come: a daemon that it left may hold the pipes for ever. */
const PIPE_GRACE_MS = 500;
const STDERR_SHOWN = 400;
/** Mounts, maps and their likes at a time: each is some programs and megabytes for some milliseconds. */
const CHILDREN = 32;
/** Checks and mkfs, which take what they need of memory and of time. */
const WORKERS = 16;
const children = new ChildGate(CHILDREN);
const workers = new ChildGate(WORKERS);

/**
 * The real {@link Exec}. An answer after a deadline may take up to a second longer than the deadline. A storm of calls
 * waits for its turn (child-gate.ts).
 */
export const run: Exec = (file, args, options) => {
  const command = [path.basename(file), ...args.slice(0, 1)].join(' ');
  const gate = options.work === undefined ? children : workers;
  return gate.run(() => runNow(file, command, args, options), command, options.deadline);
};

async function runNow(
  file: string,
  command: string,
  args: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const budget = Math.ceil(options.deadline.remaining());
  const late = () => berthError('BERTH_DEADLINE', { what: command, ms: budget });
  if (budget === 0) throw late();
  const { work, confine } = options;
  if (work !== undefined && work.endsWhatIsBegun !== true) checkWorkMayBegin();
  const tells = work?.progress !== undefined;
  // Work is not ended for what it says, however much that is.
  const how = { input: options.input, env: options.env, tells, isKept: work === undefined };
  const child =
    confine === undefined ? startBound(file, args, how) : startNew(...(await confined(file, args, confine)), how);
  const { pid } = child.process;
  if (pid !== undefined) {
    const noted = noteChild(pid, command, work !== undefined);
    child.process.once('exit', noted.ended);
    if (work?.progress !== undefined) readProgress(child.process.stdio[3] as Readable, work.progress, noted.progressed);
  }
  child.process.once('exit', () => setTimeout(() => dropPipes(child), PIPE_GRACE_MS).unref());
  const result = work === undefined ? await settleBy(child, budget) : await settleWork(child, options.deadline);
  if (result === undefined) throw late();
  if (pid !== undefined && wasCut(pid) && result.exitCode !== 0) throw berthError('BERTH_SHUTTING_DOWN', {});
  return answer(file, command, result, options.okCodes ?? [0]);
}

/** The child's outcome, or undefined where it had to be killed at its deadline, dead or not. */
async function settleBy(child: StartedChild, budget: number): Promise<Outcome | undefined> {
  const kill = new AbortController();
  const timer = setTimeout(() => kill.abort(), budget);
  const outcome = await Promise.race([child.outcome, afterKill(child, kill.signal)]);
  clearTimeout(timer);
  return kill.signal.aborted ? undefined : outcome;
}

/** The outcome of a child that nobody hurries. */
function settleWork({ process, stdout, stderr, outcome }: StartedChild, deadline: Deadline): Promise<Outcome> {
  const said = readBounded(stdout);
  const complained = readBounded(stderr);
  const closed = [stdout, stderr].map((stream) => once(stream, 'close').catch(() => undefined));
  return deadline.standStill(async () => {
    const { exitCode, code, signal, isMaxBuffer } = await outcome;
    if (process.pid !== undefined) await Promise.all(closed);
    return { exitCode, code, signal, isMaxBuffer, stdout: said(), stderr: complained() };
  });
}

/** Kill the child's group once `signal` says so; resolves when nobody should wait for it any longer. */
function afterKill(child: StartedChild, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      endGroup(child.process.pid);
      setTimeout(() => {
        abandon(child);
        resolve(undefined);
      }, ABANDON_MS);
    });
  });
}

function dropPipes({ process }: StartedChild): void {
  for (const stream of process.stdio.slice(1)) stream?.destroy();
}

function abandon(child: StartedChild): void {
  dropPipes(child);
  // Null where the child was started without input, whatever the type says.
  child.process.stdin?.destroy();
  child.process.unref();
}

function answer(file: string, command: string, result: Outcome, okCodes: readonly number[]): ExecResult {
  const { exitCode, stdout, stderr } = result;
  const confinement = exitCode === undefined || !saysNotConfined(stderr) ? undefined : `exit code ${exitCode}`;
  const notStarted = confinement ?? whyNotStarted(result) ?? (exitCode === undefined ? result.code : undefined);
  if (notStarted === 'ENOENT') throw berthError('BERTH_COMMAND_MISSING', { command: file });
  if (notStarted === undefined && exitCode !== undefined && okCodes.includes(exitCode) && !result.isMaxBuffer) {
    return { stdout, stderr, exitCode };
  }
  // No cause: execa's error carries the whole command line, the environment and the input.
  throw berthError('BERTH_COMMAND_FAILED', { command, how: notStarted ?? how(result), stderr: shorten(stderr) });
}

function how(result: Outcome): string {
  if (result.isMaxBuffer) return `output over ${MAX_OUTPUT_CHARACTERS} characters`;
  if (result.exitCode !== undefined) return `exit code ${result.exitCode}`;
  return result.signal ?? 'not started';
}

/** One line, beginning and end kept: tools put the reason at either. */
function shorten(stderr: string): string {
  const line = stderr.replaceAll(/\s+/g, ' ').trim();
  if (line === '') return 'no message';
  if (line.length <= STDERR_SHOWN) return line;
  const half = STDERR_SHOWN / 2;
  return `${line.slice(0, half)} ... ${line.slice(-half)}`;
}
