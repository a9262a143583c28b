/**
 * Can this process do its work? Asked in the background,
 * answered from memory: a Probe must not wait for a sick cluster.
 */
import { Deadline } from '../model/deadline.js';
import { settledWithin } from '../model/time-limit.js';
import type { Logger } from '../observe/log.js';

/** Undefined where all is well, else what is wrong. */
export type Check = (deadline: Deadline) => Promise<string | undefined>;

/** Pause between rounds in ms: short while something is missing, so that a start is not slowed by its own caution. */
const READY_PAUSE_MS = 10_000;
const UNREADY_PAUSE_MS = 500;
const CHECK_MS = 5_000;

export class Readiness {
  readonly #checks: Readonly<Record<string, Check>>;
  readonly #log: Logger;
  readonly #asked = new Map<string, Promise<string | undefined>>();
  #why: string | undefined = 'starting';
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(checks: Readonly<Record<string, Check>>, log: Logger) {
    this.#checks = checks;
    this.#log = log;
  }

  current(): { readonly ready: boolean; readonly why: string | undefined } {
    return { ready: this.#why === undefined, why: this.#why };
  }

  /** Begin the rounds; the first result is there after the first of them. */
  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    const found = await Promise.all(Object.entries(this.#checks).map(([name, check]) => this.#ask(name, check)));
    const why = found.filter((one) => one !== undefined).join('; ');
    const next = why === '' ? undefined : why;
    if (next !== this.#why)
      this.#log.info({ ready: next === undefined, ...(next === undefined ? {} : { why: next }) }, 'readiness');
    this.#why = next;
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#round(), next === undefined ? READY_PAUSE_MS : UNREADY_PAUSE_MS);
    // The socket keeps the process alive, not this timer.
    this.#timer.unref();
  }

  async #ask(name: string, check: Check): Promise<string | undefined> {
    // One that hangs although it was given a deadline is not asked a second time before it answers.
    const asked = this.#asked.get(name) ?? this.#begin(name, check);
    const why = (await settledWithin(asked, CHECK_MS)) ? await asked : `no answer in ${CHECK_MS} ms`;
    return why === undefined ? undefined : `${name}: ${why}`;
  }

  #begin(name: string, check: Check): Promise<string | undefined> {
    const begin = async (): Promise<string | undefined> => check(Deadline.after(CHECK_MS));
    const asked = begin()
      .catch((error: unknown) => (error instanceof Error ? error.message : 'failed'))
      .finally(() => this.#asked.delete(name));
    this.#asked.set(name, asked);
    return asked;
  }
}
