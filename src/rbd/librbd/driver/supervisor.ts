/** Keeps one worker process alive: bounds every call by its deadline, and starts a new one after a crash. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { withinDeadline } from '../../../model/time-limit.js';
import type { Logger } from '../../../observe/log.js';
import type { PortOperation } from '../../port-operations.js';
import type { WorkerOptions } from '../worker-messages.js';
import { WorkerProcess } from './worker-process.js';

/** A worker that lived shorter than this crashed at its work, ms. */
const HEALTHY_MS = 10_000;
const BACKOFF_MS = 100;
const BACKOFF_LIMIT_MS = 5_000;

export interface WorkerLife {
  /** End the process when nobody has called for so long, ms; the next call starts another. Never unless it is given. */
  readonly endIdleMs?: number;
}

export class Supervisor {
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #options: WorkerOptions;
  readonly #log: Logger;
  readonly #life: WorkerLife;
  #worker: WorkerProcess | undefined;
  #crashes = 0;
  #deaths = 0;
  #notBefore = 0;
  #closed = false;
  /** Of callers that wait. */
  #calls = 0;
  #idle: NodeJS.Timeout | undefined;
  /** Ended because there was nothing to do. */
  readonly #dismissed = new WeakSet<WorkerProcess>();

  constructor(file: string, env: NodeJS.ProcessEnv, options: WorkerOptions, log: Logger, life: WorkerLife = {}) {
    this.#file = file;
    this.#env = env;
    this.#options = options;
    this.#log = log;
    this.#life = life;
  }

  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  /** Calls whose callers wait, and how often a worker ended that was not told to. */
  get state(): { readonly calls: number; readonly deaths: number } {
    return { calls: this.#calls, deaths: this.#deaths };
  }

  /** @throws DEADLINE, BERTH_WORKER_DIED, BERTH_SHUTTING_DOWN, or what the operation answers */
  async call(op: PortOperation, args: readonly unknown[], deadline: Deadline, what: string): Promise<unknown> {
    this.#calls += 1;
    clearTimeout(this.#idle);
    try {
      return await this.#call(op, args, deadline, what);
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#endWhenIdle();
    }
  }

  async #call(op: PortOperation, args: readonly unknown[], deadline: Deadline, what: string): Promise<unknown> {
    const ms = Math.ceil(deadline.remaining());
    const late = () => berthError('BERTH_DEADLINE', { what, ms });
    const worker = await this.#running(deadline, late);
    // Somebody may have closed us in the turns between.
    if (this.#closed) throw berthError('BERTH_SHUTTING_DOWN', {});
    const left = Math.ceil(deadline.remaining());
    if (left === 0) throw late();
    const { answer, abandon } = worker.send(op, args, left, what);
    const giveUp = (): Error => {
      abandon();
      return late();
    };
    return withinDeadline(answer, giveUp, deadline);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#worker?.end(() => berthError('BERTH_SHUTTING_DOWN', {}));
  }

  /** The worker, started if there is none, after a pause if the last ones crashed. */
  async #running(deadline: Deadline, late: () => Error): Promise<WorkerProcess> {
    for (;;) {
      if (this.#closed) throw berthError('BERTH_SHUTTING_DOWN', {});
      const { connectSeconds, operationSeconds, threads } = this.#options;
      if (this.#worker?.isStuck(2_000 * (connectSeconds + operationSeconds), threads / 2) === true) {
        this.#log.error({ worker: this.pid }, 'librbd worker is stuck and is killed');
        this.#worker.kill();
        this.#worker = undefined;
      }
      if (this.#worker !== undefined) return this.#worker;
      const pause = this.#notBefore - performance.now();
      if (pause <= 0) return this.#start();
      if (deadline.expired) throw late();
      await sleep(Math.min(pause, deadline.remaining()));
    }
  }

  #start(): WorkerProcess {
    const worker = new WorkerProcess(this.#file, this.#env, this.#options, this.#log, (ended, how) =>
      this.#ended(ended, how),
    );
    this.#log.debug({ worker: worker.pid }, 'librbd worker started');
    this.#worker = worker;
    return worker;
  }

  /** Where its memory is worth more than its start: see {@link WorkerLife}. */
  #endWhenIdle(): void {
    const { endIdleMs } = this.#life;
    if (endIdleMs === undefined) return;
    this.#idle = setTimeout(() => {
      const worker = this.#worker;
      if (worker === undefined) return;
      this.#worker = undefined;
      this.#dismissed.add(worker);
      this.#log.debug({ worker: worker.pid }, 'librbd worker has nothing to do and is ended');
      void worker.end(() => berthError('BERTH_SHUTTING_DOWN', {}));
    }, endIdleMs);
    this.#idle.unref();
  }

  #ended(worker: WorkerProcess, how: string): void {
    if (this.#worker === worker) this.#worker = undefined;
    if (this.#closed || this.#dismissed.has(worker)) return;
    this.#log.error({ worker: worker.pid, how }, 'librbd worker ended; the next call starts another');
    this.#deaths += 1;
    this.#crashes = performance.now() - worker.startedAt < HEALTHY_MS ? this.#crashes + 1 : 0;
    // The first crash costs no pause: a retry is to succeed at once.
    const pause = this.#crashes > 1 ? Math.min(BACKOFF_MS * 2 ** this.#crashes, BACKOFF_LIMIT_MS) : 0;
    this.#notBefore = performance.now() + pause;
  }
}
