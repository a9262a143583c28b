/**
 * Children that are started ahead, in a quiet moment: each is a shell, bound to this process, that waits for the words
 * of a command and becomes that program. To fork a large process costs milliseconds, for which no call waits then.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { childrenStarted } from '../children.js';
import { orphanProof, WRAPPER_NAME } from '../orphan-proof.js';
import { childEnvironment } from './child-environment.js';

/**
 * Six pods that come at once: for each a map, an mkfs, a mount and a bind. Or two that come, go and come again: eleven
 * each. A spare one has 200 KiB.
 */
const SPARE = 24;
/**
 * No child has been started for so long, ms, before the first is started ahead: longer than a call takes to its end as
 * a rule. One that comes meanwhile waits for one fork at most.
 */
const QUIET_MS = 100;
/** Until the next one, ms. */
const NEXT_MS = 10;
/** Until the next one where one did not live until it was taken, ms: the machine may be short of what it takes. */
const DIED_MS = 30_000;
/** What surely goes into the socket at once, bytes: so a command is there whole or not at all. */
const MAX_BYTES = 8 * 1024;
/** The words come on a descriptor that the program does not get. */
const WORDS = 3;
/**
 * First the number of words, then one a line. Only a command that came whole is run: of one whose driver ended in the
 * middle of it, nothing may be. Lines are read byte by byte, so nothing behind them is lost.
 */
const SCRIPT = [
  `IFS= read -r count <&${WORDS} || exit 0`,
  `while [ "$#" -lt "$count" ] && IFS= read -r word <&${WORDS}; do set -- "$@" "$word"; done`,
  `[ "$#" -eq "$count" ] || exit 0`,
  `exec "$@" ${WORDS}<&-`,
].join('\n');

let kept: SpareChildren | undefined;

/**
 * Keep some children ready for {@link takeSpareChild} until the answer is called, which ends them. For a process that
 * serves for long. They never keep it alive, and end with it however it ends.
 */
export function keepSpareChildren(): () => void {
  const own = new SpareChildren();
  kept?.end();
  kept = own;
  return () => {
    own.end();
    if (kept === own) kept = undefined;
  };
}

/** A child that becomes this program now; undefined where none is ready, or the command is none for it. */
export const takeSpareChild = (command: readonly string[]): ChildProcess | undefined => kept?.take(command);

/** How many are ready. */
export const spareChildren = (): number => kept?.size ?? 0;

interface Spare {
  readonly child: ChildProcess;
  readonly words: Socket;
  /** Of one that dies before it is taken. */
  readonly died: () => void;
}

class SpareChildren {
  #ready: readonly Spare[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor() {
    this.#fillAfter(QUIET_MS);
  }

  get size(): number {
    return this.#ready.length;
  }

  take(command: readonly string[]): ChildProcess | undefined {
    const text = asLines(command);
    for (let spare = this.#ready[0]; spare !== undefined && text !== undefined; spare = this.#ready[0]) {
      this.#ready = this.#ready.slice(1);
      this.#fillAfter(QUIET_MS);
      spare.child.off('exit', spare.died);
      spare.words.write(text);
      // Dead, and nobody has told us yet: it has run nothing.
      if (spare.words.errored !== null) continue;
      spare.words.destroySoon();
      hold(spare.child, 'ref');
      return spare.child;
    }
    return undefined;
  }

  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    for (const { child, words, died } of this.#ready) {
      child.off('exit', died);
      words.destroy();
      child.kill('SIGKILL');
    }
    this.#ready = [];
  }

  /** One at a time, and none while calls start children of their own. */
  #fillAfter(ms: number): void {
    if (this.#hasEnded) return;
    clearTimeout(this.#timer);
    const before = childrenStarted();
    this.#timer = setTimeout(() => {
      if (childrenStarted() !== before) this.#fillAfter(QUIET_MS);
      else if (this.#ready.length < SPARE) this.#fillAfter(this.#startOne() ? NEXT_MS : DIED_MS);
    }, ms);
    this.#timer.unref();
  }

  #startOne(): boolean {
    const child = startShell();
    if (child === undefined) return false;
    const words = child.stdio[WORDS] as Socket;
    const died = (): void => {
      this.#ready = this.#ready.filter((one) => one.child !== child);
      this.#fillAfter(DIED_MS);
    };
    child.once('exit', died);
    hold(child, 'unref');
    this.#ready = [...this.#ready, { child, words, died }];
    return true;
  }
}

/** Undefined where none can be started. */
function startShell(): ChildProcess | undefined {
  const [file, args] = orphanProof('/bin/sh', ['-c', SCRIPT, WRAPPER_NAME]);
  try {
    // As start-child.ts starts one.
    const child = spawn(file, args, {
      detached: true,
      cwd: '/',
      env: childEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    child.on('error', () => undefined);
    for (const stream of child.stdio) stream?.on('error', () => undefined);
    return child.pid === undefined ? undefined : child;
  } catch {
    // No memory, no descriptor: a call that needs a child says so.
    return undefined;
  }
}

/** A spare child and its pipes keep no process alive; one that runs a command does. */
function hold(child: ChildProcess, how: 'ref' | 'unref'): void {
  child[how]();
  for (const stream of child.stdio.slice(1)) if (stream instanceof Socket) stream[how]();
}

/** Undefined for words that no line can hold, and for more than goes into the socket at once. */
function asLines(command: readonly string[]): string | undefined {
  if (command.some((word) => /[\n\0]/.test(word))) return undefined;
  const text = `${[String(command.length), ...command].join('\n')}\n`;
  return Buffer.byteLength(text) > MAX_BYTES ? undefined : text;
}
