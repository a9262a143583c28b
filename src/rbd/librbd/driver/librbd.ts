/** RbdPort over librbd in a worker process: every call is a message, and only here a key is revealed for it. */
import type { Deadline } from '../../../model/deadline.js';
import { programFile } from '../../../model/package-root.js';
import type { Logger } from '../../../observe/log.js';
import type { ClusterAccess, ImageRef, PoolRef, RbdPort } from '../../port.js';
import { PORT_OPERATIONS, type PortOperation } from '../../port-operations.js';
import type { WireAccess, WireImage, WirePool, WorkerOptions } from '../worker-messages.js';
import { Supervisor, type WorkerLife } from './supervisor.js';

export interface LibrbdOptions extends Partial<WorkerOptions>, WorkerLife {
  readonly log: Logger;
  /** The compiled worker.js; the one beside this file unless given. */
  readonly workerPath?: string;
  /** More environment for the worker. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Librbd extends RbdPort {
  /** Undefined while no worker runs; the first call starts one. */
  workerPid(): number | undefined;
  workerState(): Supervisor['state'];
}

const DEFAULTS: WorkerOptions = {
  threads: 64,
  idleMs: 60_000,
  connectSeconds: 10,
  operationSeconds: 30,
  extraConf: {},
};

export function createLibrbd(given: LibrbdOptions): Librbd {
  const { log, workerPath, env, endIdleMs, ...rest } = given;
  const options: WorkerOptions = { ...DEFAULTS, ...rest };
  const file = workerPath ?? programFile('rbd/librbd/worker/worker.js');
  const supervisor = new Supervisor(
    file,
    workerEnvironment(options, env),
    options,
    log,
    endIdleMs === undefined ? {} : { endIdleMs },
  );
  return {
    ...callsOver(supervisor),
    close: () => supervisor.close(),
    workerPid: () => supervisor.pid,
    workerState: () => supervisor.state,
  };
}

/**
 * What the parent runs with, without its own Node flags and without anything that would configure Ceph from outside.
 */
function workerEnvironment(options: WorkerOptions, extra: LibrbdOptions['env']): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|CEPH_|UV_)/.test(name));
  return { ...Object.fromEntries(inherited), LC_ALL: 'C', ...extra, UV_THREADPOOL_SIZE: String(options.threads) };
}

type Calls = Omit<RbdPort, 'close'>;

/** An operation of the table without its types, which differ from one to the next: RbdPort has checked the call. */
interface Untyped {
  readonly at: keyof typeof WIRE;
  readonly describe: (...given: readonly unknown[]) => string;
}

/** Every operation of the table as a method of the port. */
function callsOver(supervisor: Pick<Supervisor, 'call'>): Calls {
  const methodOf = (op: PortOperation, { at, describe }: Untyped) => {
    const toWire = WIRE[at] as (address: unknown) => unknown;
    return (...given: readonly unknown[]): Promise<unknown> => {
      const [address, ...others] = given.slice(0, -1);
      const deadline = given.at(-1) as Deadline;
      return supervisor.call(op, [toWire(address), ...others], deadline, describe(address, ...others));
    };
  };
  const table = Object.entries(PORT_OPERATIONS) as unknown as readonly [PortOperation, Untyped][];
  return Object.fromEntries(table.map(([op, entry]) => [op, methodOf(op, entry)])) as unknown as Calls;
}

const wireAccess = ({ cluster, monitors, user, key }: ClusterAccess): WireAccess => ({
  cluster,
  monitors,
  user,
  key: key.reveal(),
});

const wirePool = ({ access, pool, namespace }: PoolRef): WirePool => ({ access: wireAccess(access), pool, namespace });

const wireImage = (at: ImageRef): WireImage => ({ ...wirePool(at), image: at.image });

/** How much of an address goes to the worker; what a caller's object has besides stays here. */
const WIRE = { cluster: wireAccess, pool: wirePool, image: wireImage } as const;
