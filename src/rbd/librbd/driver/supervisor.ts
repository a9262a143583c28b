/**
 * RbdPort over librbd in a worker process: keeps one alive, bounds every call by its deadline, and starts a new one
 * after a crash.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { programFile } from '../../../model/package-root.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { withinDeadline } from '../../../model/time-limit.js';
import type { Logger } from '../../../observe/log.js';
import type { ClusterAccess, ImageRef, PoolRef, RbdPort } from '../../port.js';
import type {
  Answer,
  Arguments,
  OperationName,
  WireAccess,
  WireImage,
  WirePool,
  WorkerOptions,
} from '../worker-messages.js';
import { WorkerProcess } from './worker-process.js';

export interface LibrbdOptions extends Partial<WorkerOptions> {
  readonly log: Logger;
  /** The compiled worker.js; the one beside this file unless given. */
  readonly workerPath?: string;
  /** More environment for the worker. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Librbd extends RbdPort {
  /** Undefined while no worker runs; the first call starts one. */
  workerPid(): number | undefined;
}

const DEFAULTS: WorkerOptions = {
  threads: 32,
  idleMs: 60_000,
  connectSeconds: 10,
  operationSeconds: 30,
  extraConf: {},
};

/** A worker that lived shorter than this crashed at its work, ms. */
const HEALTHY_MS = 10_000;
const BACKOFF_MS = 100;
const BACKOFF_LIMIT_MS = 5_000;

export function createLibrbd(given: LibrbdOptions): Librbd {
  const { log, workerPath, env, ...rest } = given;
  const options: WorkerOptions = { ...DEFAULTS, ...rest };
  const file = workerPath ?? programFile('rbd/librbd/worker/worker.js');
  const supervisor = new Supervisor(file, workerEnvironment(options, env), options, log);
  return {
    ...portOver((op, args, deadline, what) => supervisor.call(op, args, deadline, what)),
    close: () => supervisor.close(),
    workerPid: () => supervisor.pid,
  };
}

/**
 * What the parent runs with, without its own Node flags and without anything that would configure Ceph from outside.
 */
function workerEnvironment(options: WorkerOptions, extra: LibrbdOptions['env']): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|CEPH_|UV_)/.test(name));
  return { ...Object.fromEntries(inherited), LC_ALL: 'C', ...extra, UV_THREADPOOL_SIZE: String(options.threads) };
}

class Supervisor {
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #options: WorkerOptions;
  readonly #log: Logger;
  #worker: WorkerProcess | undefined;
  #crashes = 0;
  #notBefore = 0;
  #closed = false;

  constructor(file: string, env: NodeJS.ProcessEnv, options: WorkerOptions, log: Logger) {
    this.#file = file;
    this.#env = env;
    this.#options = options;
    this.#log = log;
  }

  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  /** @throws DEADLINE, BERTH_WORKER_DIED, BERTH_SHUTTING_DOWN, or what the operation answers */
  async call<Op extends OperationName>(
    op: Op,
    args: Arguments<Op>,
    deadline: Deadline,
    what: string,
  ): Promise<Answer<Op>> {
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
    return withinDeadline(answer as Promise<Answer<Op>>, giveUp, deadline);
  }

  async close(): Promise<void> {
    this.#closed = true;
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

  #ended(worker: WorkerProcess, how: string): void {
    if (this.#worker === worker) this.#worker = undefined;
    if (this.#closed) return;
    this.#log.error({ worker: worker.pid, how }, 'librbd worker ended; the next call starts another');
    this.#crashes = performance.now() - worker.startedAt < HEALTHY_MS ? this.#crashes + 1 : 0;
    // The first crash costs no pause: a retry is to succeed at once.
    const pause = this.#crashes > 1 ? Math.min(BACKOFF_MS * 2 ** this.#crashes, BACKOFF_LIMIT_MS) : 0;
    this.#notBefore = performance.now() + pause;
  }
}

type CallWorker = Supervisor['call'];

/** The port's calls as messages; only here a key is revealed, on its way into the worker. */
function portOver(call: CallWorker): Omit<RbdPort, 'close'> {
  return {
    identify: (access, deadline) =>
      call('identify', [wireAccess(access)], deadline, `connect to cluster ${access.cluster}`),
    createImage: (at, spec, deadline) =>
      call('createImage', [wireImage(at), spec], deadline, `create image ${at.image}`),
    head: (at, deadline) => call('head', [wireImage(at)], deadline, `look at image ${at.image}`),
    inspect: (at, deadline) => call('inspect', [wireImage(at)], deadline, `inspect image ${at.image}`),
    isEmpty: (at, deadline) => call('isEmpty', [wireImage(at)], deadline, `look into image ${at.image}`),
    resize: (at, sizeBytes, deadline) =>
      call('resize', [wireImage(at), sizeBytes], deadline, `resize image ${at.image}`),
    remove: (at, deadline) => call('remove', [wireImage(at)], deadline, `remove image ${at.image}`),
    finishInterruptedRemoval: (at, deadline) =>
      call('finishInterruptedRemoval', [wireImage(at)], deadline, `finish the removal of image ${at.image}`),
    interruptedCreate: (at, deadline) =>
      call('interruptedCreate', [wireImage(at)], deadline, `look for image ${at.image}`),
    list: (at, after, max, deadline) =>
      call('list', [wirePool(at), after, max], deadline, `list images of pool ${at.pool}`),
    setMetadata: (at, id, entries, deadline) =>
      call('setMetadata', [wirePool(at), id, entries], deadline, `set metadata of image id ${id}`),
    compareAndSet: (at, id, key, expected, next, deadline) =>
      call('compareAndSet', [wirePool(at), id, key, expected, next], deadline, `set ${key} of image id ${id}`),
    poolStats: (at, deadline) => call('poolStats', [wirePool(at)], deadline, `measure pool ${at.pool}`),
    setRecords: (at, object, entries, deadline) =>
      call('setRecords', [wirePool(at), object, entries], deadline, `set records of ${object}`),
    getRecords: (at, object, keys, deadline) =>
      call('getRecords', [wirePool(at), object, keys], deadline, `read records of ${object}`),
    listRecords: (at, object, after, max, deadline) =>
      call('listRecords', [wirePool(at), object, after, max], deadline, `list records of ${object}`),
    removeRecords: (at, object, keys, deadline) =>
      call('removeRecords', [wirePool(at), object, keys], deadline, `remove records of ${object}`),
    watchers: (at, deadline) => call('watchers', [wireImage(at)], deadline, `list watchers of ${at.image}`),
    observeWatchers: (at, deadline) =>
      call('observeWatchers', [wireImage(at)], deadline, `list watchers of ${at.image}`),
    blocklist: (access, instance, seconds, deadline) =>
      call('blocklist', [wireAccess(access), instance, seconds], deadline, `blocklist ${instance}`),
    unblocklist: (access, instance, deadline) =>
      call('unblocklist', [wireAccess(access), instance], deadline, `take ${instance} off the blocklist`),
    blocklisted: (access, deadline) =>
      call('blocklisted', [wireAccess(access)], deadline, `list the blocklist of ${access.cluster}`),
    blocklistRightsMissing: (access, deadline) =>
      call('blocklistRightsMissing', [wireAccess(access)], deadline, `try the blocklist of ${access.cluster}`),
  };
}

const wireAccess = ({ cluster, monitors, user, key }: ClusterAccess): WireAccess => ({
  cluster,
  monitors,
  user,
  key: key.reveal(),
});

const wirePool = ({ access, pool, namespace }: PoolRef): WirePool => ({ access: wireAccess(access), pool, namespace });

const wireImage = (at: ImageRef): WireImage => ({ ...wirePool(at), image: at.image });
