/** What parent and worker say to each other: the operations of the port with everything reduced to plain data. */
import type {
  Blocked,
  BlocklistRight,
  ClusterIdentity,
  ImageDetail,
  ImageHead,
  ImageSpec,
  PoolStats,
  WatcherObservation,
  Watcher,
} from '../port.js';
import type { WireError } from './ceph-errors.js';

export interface WireAccess {
  readonly cluster: string;
  readonly monitors: readonly string[];
  readonly user: string;
  /** In the clear: the channel is a socket pair that only these two processes hold. */
  readonly key: string;
}

export interface WirePool {
  readonly access: WireAccess;
  readonly pool: string;
  readonly namespace: string;
}

export interface WireImage extends WirePool {
  readonly image: string;
}

export type Entries = ReadonlyMap<string, string>;

/** Name, arguments and answer of each operation; the meaning is that of RbdPort. */
export interface PortOperations {
  identify: (at: WireAccess) => ClusterIdentity;
  createImage: (at: WireImage, spec: ImageSpec) => string;
  head: (at: WireImage) => ImageHead | undefined;
  inspect: (at: WireImage) => ImageDetail;
  isEmpty: (at: WireImage) => boolean;
  resize: (at: WireImage, sizeBytes: bigint) => undefined;
  remove: (at: WireImage) => boolean;
  finishInterruptedRemoval: (at: WireImage) => boolean;
  interruptedCreate: (at: WireImage) => string | undefined;
  list: (at: WirePool, after: string, max: number) => { name: string; id: string }[];
  setMetadata: (at: WirePool, imageId: string, entries: Entries) => undefined;
  compareAndSet: (
    at: WirePool,
    imageId: string,
    key: string,
    expected: string | undefined,
    next: string | undefined,
  ) => boolean;
  poolStats: (at: WirePool) => PoolStats;
  setRecords: (at: WirePool, object: string, entries: Entries) => undefined;
  getRecords: (at: WirePool, object: string, keys: readonly string[]) => Map<string, string>;
  listRecords: (at: WirePool, object: string, after: string, max: number) => Map<string, string>;
  removeRecords: (at: WirePool, object: string, keys: readonly string[]) => undefined;
  watchers: (at: WireImage) => Watcher[];
  observeWatchers: (at: WireImage) => WatcherObservation;
  blocklist: (at: WireAccess, instance: string, seconds: number) => undefined;
  unblocklist: (at: WireAccess, instance: string) => undefined;
  blocklisted: (at: WireAccess) => Blocked[];
  blocklistRightsMissing: (at: WireAccess) => BlocklistRight[];
}

export type OperationName = keyof PortOperations;
export type Arguments<Op extends OperationName> = Parameters<PortOperations[Op]>;
export type Answer<Op extends OperationName> = ReturnType<PortOperations[Op]>;

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
  readonly op: OperationName;
  readonly args: readonly unknown[];
  /** Time left, ms: a call that is still waiting for its turn by then is not begun. */
  readonly ms: number;
}

/**
 * Messages of one turn of the event loop travel together: each of its own costs a system call and a switch of
 * processes.
 */
export type Batch<Message> = readonly Message[];

export type ToWorker =
  | Call
  | { readonly kind: 'configure'; readonly options: WorkerOptions }
  | { readonly kind: 'end' };

export type FromWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: WireError };
