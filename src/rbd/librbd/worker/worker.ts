/**
 * The forked process in which Ceph's C code runs: answers calls over IPC, and ends with its parent. A crash here costs
 * calls, not the driver.
 */
import { Deadline } from '../../../model/deadline.js';
import { settledWithin } from '../../../model/time-limit.js';
import { loadCeph } from '../foreign/bindings.js';
import { Connections } from './connections.js';
import { toWire } from '../ceph-errors.js';
import type { CallSite } from '../ceph-errors.js';
import { prepareForeign } from '../foreign/c-functions.js';
import { asCall, onProgress } from '../foreign/progress.js';
import { Lanes } from './connection/lanes.js';
import { createOperations } from './worker-operations.js';
import type { WorkerOperations } from './worker-operations.js';
import { Outbox } from '../outbox.js';
import type { Batch, Call, FromWorker, ToWorker, WireAccess, WorkerOptions } from '../worker-messages.js';

/** How long the connections may take to say goodbye, ms. */
const GOODBYE_MS = 1_000;

interface Service {
  readonly operations: WorkerOperations;
  readonly connections: Connections;
}

let options: WorkerOptions | undefined;
let service: Service | undefined;

/** Loaded by the first call, so that a missing library is that call's error. */
function serve(): Service {
  if (service !== undefined) return service;
  if (options === undefined) throw new Error('called before it was configured');
  prepareForeign(options.threads);
  const connections = new Connections(loadCeph(), new Lanes(options.threads), options);
  return (service = { connections, operations: createOperations(connections) });
}

async function answer(call: Call): Promise<FromWorker> {
  const { id } = call;
  try {
    const operation = serve().operations[call.op] as (...given: readonly unknown[]) => Promise<unknown>;
    return { kind: 'answer', id, value: await asCall(id, () => operation(...call.args, Deadline.after(call.ms))) };
  } catch (error) {
    return { kind: 'failure', id, error: toWire(error, sceneOf(call)) };
  }
}

/** Every operation's first argument says where it works. */
function sceneOf({ args: [at] }: Call): CallSite {
  const place = at as WireAccess | { access: WireAccess; pool: string; image?: string };
  if (!('access' in place)) return place;
  const { access, pool, image } = place;
  return { ...access, pool, ...(image === undefined ? {} : { image: `${pool}/${image}` }) };
}

/**
 * Leave without running exit handlers: they would wait for pool threads that may be stuck in Ceph, and Ceph's own
 * destructors race with its threads.
 */
async function end(): Promise<never> {
  if (service !== undefined) await settledWithin(service.connections.close(), GOODBYE_MS);
  return leave();
}

const leave = (): never => {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('still alive');
};

const outbox = new Outbox<FromWorker>((batch) => process.connected && process.send?.(batch));

onProgress((id) => outbox.post({ kind: 'progress', id }));

function receive(message: ToWorker): void {
  if (message.kind === 'configure') options = message.options;
  else if (message.kind === 'end') void end();
  else void answer(message).then((reply) => outbox.post(reply));
}

process.on('message', (batch: Batch<ToWorker>) => {
  for (const message of batch) receive(message);
});
process.on('disconnect', () => void end());
// A terminal's ^C reaches the whole process group; the parent drains first and then ends us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
