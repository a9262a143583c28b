/**
 * All that Berth asks of Ceph's control plane: images, their metadata, small records. Implemented by librbd/ and, in
 * tests, by a fake. A new operation has a line in port-operations.ts, too.
 */
import type { Deadline } from '../model/deadline.js';
import type {
  Blocked,
  BlocklistRight,
  ClientDemands,
  ClusterAccess,
  ClusterHealth,
  ClusterIdentity,
  ImageDetail,
  ImageHead,
  ImageRef,
  NewImage,
  PoolRef,
  PoolStats,
  Watcher,
  WatcherObservation,
} from './port/port-values.js';
import type { DeletePort, NamedImage } from './port/delete-port.js';
import type { ClonePort } from './port/clone-port.js';
import type { DiffPort } from './port/diff-port.js';
import type { GroupPort } from './port/group-port.js';
import type { SnapshotPort } from './port/snapshot-port.js';
import type { UserPort } from './port/user-port.js';

export type * from './port/port-values.js';

/**
 * Every call ends by its deadline (DEADLINE) and fails with an error of the catalogue: BERTH_CLUSTER_UNREACHABLE,
 * BERTH_CLUSTER_AUTH_FAILED, BERTH_CEPH_DENIED, BERTH_POOL_NOT_FOUND, BERTH_NAMESPACE_NOT_FOUND, BERTH_CLIENT_EVICTED,
 * BERTH_CEPH_FULL, BERTH_WORKER_DIED, BERTH_CEPH_ERROR, or what its comment adds.
 */
export interface RbdPort extends SnapshotPort, DeletePort, ClonePort, DiffPort, GroupPort, UserPort {
  /**
   * Connect and say who the cluster is and who we are. Over the pooled connection nobody is asked: it may be to a
   * cluster that has gone silent since.
   */
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
  /** What the image with this id is called now; undefined where the directory has none. One OSD operation. */
  nameById(at: PoolRef, imageId: string, deadline: Deadline): Promise<string | undefined>;
  /** Open read-only and read everything; BERTH_IMAGE_NOT_FOUND. */
  inspect(at: ImageRef, deadline: Deadline): Promise<ImageDetail>;
  /** Who watches it now; BERTH_IMAGE_NOT_FOUND. */
  watchers(at: ImageRef, deadline: Deadline): Promise<readonly Watcher[]>;
  /**
   * Open the image for the next {@link watchers} and {@link isEmpty}, which wait for no open then: for whoever waits
   * for something else meanwhile. Nobody sees it open, and it is closed after ten seconds. BERTH_IMAGE_NOT_FOUND.
   */
  openAhead(at: ImageRef, deadline: Deadline): Promise<void>;
  /**
   * As {@link watchers}, of the image with this id, for whoever expects nobody: two OSD operations then. Else it is
   * opened, and clients that have it open hear that its header has changed, and read it again.
   */
  watchersById(at: PoolRef, imageId: string, deadline: Deadline): Promise<readonly Watcher[]>;
  /** Who watches it, with the monitors asked before and after; BERTH_IMAGE_NOT_FOUND. */
  observeWatchers(at: ImageRef, deadline: Deadline): Promise<WatcherObservation>;
  /**
   * Has nothing ever been written to it: no extent in it, in what it stands on, or in a snapshot of it?
   * BERTH_IMAGE_NOT_FOUND.
   */
  isEmpty(at: ImageRef, deadline: Deadline): Promise<boolean>;
  /** The first `bytes` of its data, fewer where it is smaller; not written is zero. BERTH_IMAGE_NOT_FOUND. */
  readStart(at: ImageRef, bytes: number, deadline: Deadline): Promise<Uint8Array>;
  /**
   * Grow to `sizeBytes`; a smaller size is BERTH_CEPH_ERROR and changes nothing. BERTH_IMAGE_NOT_FOUND,
   * BERTH_IMAGE_LOCKED.
   */
  resize(at: ImageRef, sizeBytes: bigint, deadline: Deadline): Promise<void>;
  /**
   * The id of an image that has a name and never had a header, which nobody can open: it is being created just now, or
   * that was cut short, or its removal was at its last step. `head` knows none; `dropDeadEntry` or `remove` clears it
   * away. Undefined where there is no such image, a whole one, or one that lost its header.
   */
  interruptedCreate(at: ImageRef, deadline: Deadline): Promise<string | undefined>;
  /**
   * When the name of an image was written, ms since the epoch in whole seconds, by the clock of the client that wrote
   * it. Undefined where there is no such name, or the directory alone has it.
   */
  namedAt(at: ImageRef, deadline: Deadline): Promise<number | undefined>;
  /**
   * Free a name that the directory alone has, for this id: what a removal leaves that was cut short at its last step.
   * No create is under way there, and one that begins meanwhile keeps its own. False where it is anything else.
   */
  dropDeadEntry(at: ImageRef, id: string, deadline: Deadline): Promise<boolean>;
  /** Up to `max` images by name, those after `after` ('' for the first), in the directory's own stable order. */
  list(at: PoolRef, after: string, max: number, deadline: Deadline): Promise<readonly NamedImage[]>;

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

  /** Asked of the monitors: two small commands, and the map of the OSDs where its clients may have to be of Ceph 18. */
  clientDemands(access: ClusterAccess, deadline: Deadline): Promise<ClientDemands>;

  /** What the monitors say of the cluster as a whole: one small command. */
  health(access: ClusterAccess, deadline: Deadline): Promise<ClusterHealth>;

  /** End connections and the worker; calls in flight fail with BERTH_SHUTTING_DOWN. */
  close(): Promise<void>;
}
