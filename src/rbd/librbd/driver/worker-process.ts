/** One life of the worker process, seen from the parent: start, calls in flight, end. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { berthError } from '../../../model/errors.js';
import { settledWithin } from '../../../model/time-limit.js';
import type { Logger } from '../../../observe/log.js';
import { fromWire } from '../ceph-errors.js';
import { Outbox } from '../outbox.js';
import type { PortOperation } from '../../port-operations.js';
import type { Batch, FromWorker, ToWorker, WorkerOptions } from '../worker-messages.js';

/** After this the worker is killed rather than asked, ms. */
const GOODBYE_MS = 2_000;
/** Ceph may write long lines to standard error; so many characters of one are logged. */
const LINE_CHARS = 500;

interface InFlight {
  readonly what: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A call: its answer, and how to say that nobody waits for it any more. */
export interface Sent {
  readonly answer: Promise<unknown>;
  readonly abandon: () => void;
}

export class WorkerProcess {
  readonly startedAt = performance.now();
  readonly #child: ChildProcess;
  readonly #log: Logger;
  readonly #calls = new Map<number, InFlight>();
  readonly #outbox = new Outbox<ToWorker>((batch) => {
    // A failed send is followed by the exit, which rejects the calls.
    if (this.#child.connected) this.#child.send(batch, () => undefined);
  });
  /** When the caller of one in flight stopped waiting, or it was last said to get on after that. */
  readonly #abandoned = new Map<number, number>();
  #heardAt = performance.now();
  #ended: string | undefined;
  #nextId = 1;

  /** @param onEnd told how the process ended, by itself or not */
  constructor(
    file: string,
    env: NodeJS.ProcessEnv,
    options: WorkerOptions,
    log: Logger,
    onEnd: (worker: WorkerProcess, how: string) => void,
  ) {
    this.#child = fork(file, [], {
      env,
      // The parent's own flags (an inspector port, a loader) are not the worker's. A young generation of 2 MiB, small
      // as it keeps the process, is collected all the time under load. To wake threads for what is collected in a
      // millisecond costs more than it saves.
      execArgv: ['--max-old-space-size=256', '--max-semi-space-size=8', '--single-threaded-gc'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#log = log.child({ worker: this.#child.pid });
    this.#child.on('message', (batch) => {
      for (const message of batch as Batch<FromWorker>) this.#receive(message);
    });
    const ended = (how: string): void => {
      this.#ended = how;
      this.#rejectAll((what) => berthError('BERTH_WORKER_DIED', { how, what }));
      onEnd(this, how);
    };
    this.#child.once('exit', (code, signal) => ended(signal ?? `exit code ${code ?? 'unknown'}`));
    this.#child.on('error', (error) => {
      this.#log.warn({ err: error }, 'librbd worker');
      // It could not even be started, and no exit will follow.
      if (this.#child.pid === undefined) ended(error.message);
    });
    this.#logStderr();
    // A caller that waits has a timer; nothing else of the worker may keep the parent alive.
    this.#child.unref();
    this.#child.channel?.unref();
    this.#post({ kind: 'configure', options });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(op: PortOperation, args: readonly unknown[], ms: number, what: string): Sent {
    if (this.#ended !== undefined) {
      return {
        answer: Promise.reject(berthError('BERTH_WORKER_DIED', { how: this.#ended, what })),
        abandon: () => undefined,
      };
    }
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#calls.set(id, { what, resolve, reject });
    });
    this.#post({ kind: 'call', id, op, args, ms });
    const abandon = (): void => {
      if (this.#calls.has(id)) this.#abandoned.set(id, performance.now());
    };
    return { answer, abandon };
  }

  /**
   * Is it past help: silent since a caller gave up `ms` ago, or with `calls` such callers' calls still in its threads,
   * none of which got on since? However long a call takes, it is not judged by that.
   */
  isStuck(ms: number, calls: number): boolean {
    const since = performance.now() - ms;
    const overdue = [...this.#abandoned.values()].filter((at) => at < since);
    return overdue.length >= calls || overdue.some((at) => this.#heardAt < at);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Reject what is in flight with `reason`, let it close its connections, and see it gone. */
  async end(reason: () => Error): Promise<void> {
    this.#rejectAll(reason);
    if (this.#ended !== undefined) return;
    const gone = once(this.#child, 'exit');
    this.#post({ kind: 'end' });
    if (!(await settledWithin(gone, GOODBYE_MS))) this.kill();
    await gone;
  }

  #post(message: ToWorker): void {
    this.#outbox.post(message);
  }

  #receive(message: FromWorker): void {
    this.#heardAt = performance.now();
    if (message.kind === 'progress') {
      if (this.#abandoned.has(message.id)) this.#abandoned.set(message.id, this.#heardAt);
      return;
    }
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    this.#abandoned.delete(message.id);
    if (message.kind === 'answer') call?.resolve(message.value);
    else call?.reject(fromWire(message.error));
  }

  #rejectAll(error: (what: string) => Error): void {
    for (const { what, reject } of this.#calls.values()) reject(error(what));
    this.#calls.clear();
    this.#abandoned.clear();
  }

  #logStderr(): void {
    const { stderr } = this.#child;
    if (stderr === null) return;
    if (stderr instanceof Socket) stderr.unref();
    createInterface({ input: stderr }).on('line', (line) => {
      this.#log.warn({ line: line.slice(0, LINE_CHARS) }, 'librbd worker says');
    });
  }
}
