/**
 * All that Berth asks of Ceph's control plane: images, their metadata, small records. Implemented by librbd/ and, in
 * tests, by a fake. A new operation has a line in port-operations.ts, too.
 */
import type { Deadline } from '../model/deadline.js';
import type { Secret } from '../model/secret.js';
import type { ImageIdentity, ImageSpec, PoolSpec } from '../model/volume-id.js';

/** How to reach a cluster as somebody. Connections are pooled by all of these fields. */
export interface ClusterAccess {
  /** The name in the clusters file, for messages. */
  readonly cluster: string;
  /** Monitor addresses as ceph.conf's `mon host` takes them, e.g. `[v2:10.0.0.1:3300,v1:10.0.0.1:6789]`. */
  readonly monitors: readonly string[];
  /** Without the `client.` prefix. */
  readonly user: string;
  readonly key: Secret;
}

/** A pool with all that it takes to work in it: its cluster's monitors, a user and his key. */
export interface PoolRef extends PoolSpec {
  readonly access: ClusterAccess;
}

/** An image with all that it takes to work on it. */
export interface ImageRef extends PoolRef, ImageSpec {}

/** What CreateVolume decides about a new image. */
export interface NewImage {
  readonly sizeBytes: bigint;
  /** RBD feature names as `rbd feature` spells them. */
  readonly features: readonly string[];
  /** Power of two, 4 KiB to 32 MiB; undefined takes the cluster's default. */
  readonly objectSizeBytes: number | undefined;
  readonly stripeUnitBytes: number | undefined;
  readonly stripeCount: number | undefined;
  readonly dataPool: string | undefined;
  /**
   * Set in one operation once the image is there; a crash in between leaves an image without any. In its values
   * NEW_IMAGE (new-image.ts) stands for what the image becomes.
   */
  readonly metadata: ReadonlyMap<string, string>;
}

/** What two OSD operations tell of an image: enough for most RPCs, without opening it. */
export interface ImageHead extends ImageIdentity {
  readonly sizeBytes: bigint;
  readonly objectSizeBytes: number;
  readonly features: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Advisory locks, without those that Ceph's clients take by themselves. */
  readonly locks: readonly ImageLock[];
}

/** What an open image tells on top: who uses it and what it stands on. */
export interface ImageDetail extends ImageHead {
  readonly stripeUnitBytes: number;
  readonly stripeCount: number;
  /** `pool/namespace/image@snap` of a clone's parent. */
  readonly parent: string | undefined;
  readonly snapshots: readonly string[];
  /** `pool[/namespace]/image` of what was cloned from any of them; they stay until the last clone has gone. */
  readonly clones: readonly string[];
  readonly watchers: readonly Watcher[];
  /** Data pool name where it is not the image's own pool. */
  readonly dataPool: string | undefined;
}

export interface Watcher {
  /** `addr:port/nonce` of the client instance, as `rbd status` and the kernel's client_addr show it. */
  readonly address: string;
  /** `client.<id>` number of the connection. */
  readonly client: bigint;
}

/**
 * An advisory lock that somebody laid on an image (`rbd lock add`), as `rbd lock ls` shows it. Those that librbd and
 * the kernel take by themselves (exclusive-lock) stand in the same list and are not counted: they change hands when
 * asked.
 */
export interface ImageLock {
  /** What its owner called it, e.g. `kubelet_lock_magic_worker-1`; `rbd lock rm` wants it. */
  readonly id: string;
  /** `client.4123`, the connection by which it was laid; `rbd lock rm` wants it. */
  readonly locker: string;
  /** `addr:port/nonce` of that connection. */
  readonly address: string;
}

/** An image's watchers at one moment. */
export interface WatcherObservation {
  readonly watchers: readonly Watcher[];
  /**
   * False where the monitors elected anew while it was taken,
   * or cannot say: then nobody's absence from it proves anything.
   */
  readonly settled: boolean;
}

/** An entry of the cluster's blocklist. */
export interface Blocked {
  /** `addr:port/nonce` of one client instance; `addr:0/0` is all of an address. */
  readonly instance: string;
  /** When it lapses by itself, ms since the epoch. */
  readonly until: number;
}

/** What a user may do to the blocklist. */
export type BlocklistRight = 'add' | 'rm';

export interface PoolStats {
  /**
   * What may still be written, replication and the pool's quota counted; undefined while the manager has no figures.
   */
  readonly availableBytes: bigint | undefined;
  /** User data stored now. */
  readonly storedBytes: bigint;
}

export interface ClusterIdentity {
  readonly fsid: string;
  /** Our own client instance, `addr:port/nonce`. */
  readonly instance: string;
}

/**
 * Every call ends by its deadline (DEADLINE) and fails with an error of the catalogue: BERTH_CLUSTER_UNREACHABLE,
 * BERTH_CLUSTER_AUTH_FAILED, BERTH_CEPH_DENIED, BERTH_POOL_NOT_FOUND, BERTH_NAMESPACE_NOT_FOUND, BERTH_CLIENT_EVICTED,
 * BERTH_CEPH_FULL, BERTH_WORKER_DIED, BERTH_CEPH_ERROR, or what its comment adds.
 */
export interface RbdPort {
  /** Connect (or use the pooled connection) and say who the cluster is and who we are. */
  identify(access: ClusterAccess, deadline: Deadline): Promise<ClusterIdentity>;

  /**
   * Create an image with its metadata and say its id; BERTH_IMAGE_EXISTS where the name is taken. Nine OSD operations,
   * in a pool that was checked before. BERTH_POOL_UNFIT for an erasure coded pool, and for a data pool without
   * overwrites; BERTH_CEPH_DENIED also for a data pool that the user may not write to, asked once a connection.
   */
  createImage(at: ImageRef, spec: NewImage, deadline: Deadline): Promise<string>;
  /** Two OSD operations; undefined where there is no such image. */
  head(at: ImageRef, deadline: Deadline): Promise<ImageHead | undefined>;
  /** As {@link head}, of the image with this id, whatever its name is now. One OSD operation. */
  headById(at: PoolRef, imageId: string, deadline: Deadline): Promise<ImageHead | undefined>;
  /** Open read-only and read everything; BERTH_IMAGE_NOT_FOUND. */
  inspect(at: ImageRef, deadline: Deadline): Promise<ImageDetail>;
  /** Who watches it now; BERTH_IMAGE_NOT_FOUND. */
  watchers(at: ImageRef, deadline: Deadline): Promise<readonly Watcher[]>;
  /** Who watches it, with the monitors asked before and after; BERTH_IMAGE_NOT_FOUND. */
  observeWatchers(at: ImageRef, deadline: Deadline): Promise<WatcherObservation>;
  /** Has nothing ever been written to it (no allocated extent, no snapshot, no parent)? BERTH_IMAGE_NOT_FOUND. */
  isEmpty(at: ImageRef, deadline: Deadline): Promise<boolean>;
  /** The first `bytes` of its data, fewer where it is smaller; not written is zero. BERTH_IMAGE_NOT_FOUND. */
  readStart(at: ImageRef, bytes: number, deadline: Deadline): Promise<Uint8Array>;
  /** Take a snapshot; one of that name is a success. BERTH_IMAGE_NOT_FOUND. */
  createSnapshot(at: ImageRef, snapshot: string, deadline: Deadline): Promise<void>;
  /**
   * Make the image what it was at the snapshot, its size included; may be repeated. False where there is no such
   * snapshot. BERTH_CEPH_ERROR (EROFS) while another client has the image's exclusive lock. BERTH_IMAGE_NOT_FOUND.
   */
  rollBack(at: ImageRef, snapshot: string, deadline: Deadline): Promise<boolean>;
  /** Remove a snapshot; true if it was there. BERTH_IMAGE_NOT_FOUND. */
  removeSnapshot(at: ImageRef, snapshot: string, deadline: Deadline): Promise<boolean>;
  /**
   * Grow to `sizeBytes`; a smaller size is BERTH_CEPH_ERROR and changes nothing. BERTH_IMAGE_NOT_FOUND,
   * BERTH_IMAGE_LOCKED.
   */
  resize(at: ImageRef, sizeBytes: bigint, deadline: Deadline): Promise<void>;
  /**
   * Delete image and data; true if it was there. BERTH_IMAGE_BUSY with watchers or snapshots, BERTH_IMAGE_IN_GROUP.
   * librbd turns round for ever beside somebody's advisory lock: whoever calls has seen that there is none
   * ({@link head}).
   */
  remove(at: ImageRef, deadline: Deadline): Promise<boolean>;
  /**
   * Remove what is left of an image whose removal was cut short: librbd has moved it to the trash by then, where nobody
   * sees it, and `head` says that there is none. True if there was something. BERTH_IMAGE_BUSY while a client that died
   * removing it is not forgotten.
   */
  finishInterruptedRemoval(at: ImageRef, deadline: Deadline): Promise<boolean>;
  /**
   * The id of an image that has a name and never had a header, which nobody can open: it is being created just now, or
   * that was cut short. `head` knows none; `remove` clears it away. Undefined where there is no such image, a whole
   * one, or one that lost its header.
   */
  interruptedCreate(at: ImageRef, deadline: Deadline): Promise<string | undefined>;
  /** Up to `max` images by name, those after `after` ('' for the first), in the directory's own stable order. */
  list(
    at: PoolRef,
    after: string,
    max: number,
    deadline: Deadline,
  ): Promise<readonly { readonly name: string; readonly id: string }[]>;

  /** Set all entries in one OSD operation (class rbd metadata_set); `rbd image-meta list` shows them. */
  setMetadata(at: PoolRef, imageId: string, entries: ReadonlyMap<string, string>, deadline: Deadline): Promise<void>;
  /**
   * Change one metadata key only if it still is `expected` (undefined: absent), in one write operation (assert-exists,
   * omap_cmp, omap_set or rm). False where somebody else was first; BERTH_IMAGE_NOT_FOUND where the image is gone.
   */
  compareAndSet(
    at: PoolRef,
    imageId: string,
    key: string,
    expected: string | undefined,
    next: string | undefined,
    deadline: Deadline,
  ): Promise<boolean>;

  poolStats(at: PoolRef, deadline: Deadline): Promise<PoolStats>;

  /** Set keys in the omap of a plain RADOS object, creating it. */
  setRecords(at: PoolRef, object: string, entries: ReadonlyMap<string, string>, deadline: Deadline): Promise<void>;
  /**
   * Change one key of such an omap only if it still is `expected` (undefined: absent), in one write operation; a `next`
   * of undefined removes it. False where somebody else was first. An empty value is as good as an absent one.
   */
  compareAndSetRecord(
    at: PoolRef,
    object: string,
    key: string,
    expected: string | undefined,
    next: string | undefined,
    deadline: Deadline,
  ): Promise<boolean>;
  /** Read these keys; absent keys and an absent object give no entry. */
  getRecords(
    at: PoolRef,
    object: string,
    keys: readonly string[],
    deadline: Deadline,
  ): Promise<ReadonlyMap<string, string>>;

  /** Up to `max` entries of the omap of a plain object, by key, those after `after` ('' for the first). */
  listRecords(
    at: PoolRef,
    object: string,
    after: string,
    max: number,
    deadline: Deadline,
  ): Promise<ReadonlyMap<string, string>>;
  /** Remove these keys; absent keys and an absent object are a success. */
  removeRecords(at: PoolRef, object: string, keys: readonly string[], deadline: Deadline): Promise<void>;

  /**
   * Let this one client instance write no more, for so many seconds; its watches go at once. BERTH_CEPH_DENIED. When it
   * returns, the monitors have decided so and our own connection knows it. An instance that is listed already keeps the
   * time that it has.
   */
  blocklist(access: ClusterAccess, instance: string, seconds: number, deadline: Deadline): Promise<void>;
  /** Undo that; an instance that is not listed is a success. BERTH_CEPH_DENIED. */
  unblocklist(access: ClusterAccess, instance: string, deadline: Deadline): Promise<void>;
  /**
   * Who is on the blocklist. When it returns, our own connection has a map of the cluster that contains them all,
   * whoever listed them: an OSD that hears from us afterwards serves none of them.
   */
  blocklisted(access: ClusterAccess, deadline: Deadline): Promise<readonly Blocked[]>;
  /** Which of these the user lacks the caps for; found out without changing anything. */
  blocklistRightsMissing(access: ClusterAccess, deadline: Deadline): Promise<readonly BlocklistRight[]>;

  /** End connections and the worker; calls in flight fail with BERTH_SHUTTING_DOWN. */
  close(): Promise<void>;
}
