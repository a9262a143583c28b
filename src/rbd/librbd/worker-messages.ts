/** What parent and worker say to each other: the operations of the port with everything reduced to plain data. */
import type { Deadline } from '../../model/deadline.js';
import type { Secret } from '../../model/secret.js';
import type { ClusterAccess, ImageRef, PoolRef } from '../port.js';
import type { PortAnswer, PortArguments, PortOperation } from '../port-operations.js';
import type { WireError } from './ceph-errors.js';

/**
 * An address as it crosses the border: a key in the clear, for the channel is a socket pair that only these two
 * processes have.
 */
export type Wire<Address> = Address extends Secret ? string : { readonly [Part in keyof Address]: Wire<Address[Part]> };

export type WireAccess = Wire<ClusterAccess>;
export type WirePool = Wire<PoolRef>;
export type WireImage = Wire<ImageRef>;

/** The arguments of a call, without its deadline. */
export type WireArguments<Op extends PortOperation> =
  PortArguments<Op> extends [infer At, ...infer Others] ? [at: Wire<At>, ...others: Others] : never;

/** An operation on the worker's side: its address as it crossed the border. */
export type WorkerOperation<Op extends PortOperation> = (
  ...given: [...sent: WireArguments<Op>, deadline: Deadline]
) => Promise<PortAnswer<Op>>;

/** How the worker behaves; sent once, before any call. */
export interface WorkerOptions {
  /** Size of the libuv pool, which the parent has set in the environment. */
  readonly threads: number;
  /** Close a connection that nobody used for so long, ms. */
  readonly idleMs: number;
  /** Ceph's own limits, in seconds: a call into C cannot be cancelled. */
  readonly connectSeconds: number;
  readonly operationSeconds: number;
  /** More Ceph options, e.g. `admin_socket`. */
  readonly extraConf: Readonly<Record<string, string>>;
}

export interface Call {
  readonly kind: 'call';
  readonly id: number;
  readonly op: PortOperation;
  readonly args: readonly unknown[];
  /** Time left, ms: a call that is still waiting for its turn by then is not begun. */
  readonly ms: number;
}

/**
 * Messages of one turn of the event loop travel together:
 * each of its own costs a system call and a switch of processes.
 */
export type Batch<Message> = readonly Message[];

export type ToWorker =
  | Call
  | { readonly kind: 'configure'; readonly options: WorkerOptions }
  | { readonly kind: 'end' };

export type FromWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  /** It takes long and gets on: at most one a second for each call. */
  | { readonly kind: 'progress'; readonly id: number }
  | { readonly kind: 'failure'; readonly id: number; readonly error: WireError };
