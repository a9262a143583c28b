/** What the operations of the port are given, and what they answer: addresses, images, watchers, clusters. */
import type { Secret } from '../../model/secret.js';
import type { ImageIdentity, ImageSpec, PoolSpec } from '../../model/volume-id.js';

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
  /** Does it stand on a snapshot of another image? */
  readonly isClone: boolean;
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

/** What a cluster's maps ask of its clients, where not every client of our time can do it. */
export interface ClientDemands {
  /**
   * The oldest release whose clients know all of it, as Ceph names it (`jewel`, `squid`); empty where the cluster does
   * not say. Releases are named in the order of the alphabet.
   */
  readonly leastRelease: string;
  /** Pools of which a placement group has a primary chosen by hand (`osd pg-upmap-primary`, Ceph 18 and newer). */
  readonly movedPrimaries: readonly string[];
  /** No monitor speaks messenger v1. */
  readonly v2Only: boolean;
}

/** As `ceph health` says it. */
export interface ClusterHealth {
  /** `HEALTH_OK`, `HEALTH_WARN`, `HEALTH_ERR`. */
  readonly status: string;
  /** Without those that somebody has muted. */
  readonly checks: readonly HealthCheck[];
}

export interface HealthCheck {
  /** Stable: `POOL_FULL`, `PG_DAMAGED`. */
  readonly code: string;
  /** In one sentence. */
  readonly says: string;
  /** Of what it consists, a line each: the first fifty, as the monitors have it. */
  readonly detail: readonly string[];
  /** Names of the pools that the detail is about; none where it names none. */
  readonly pools: readonly string[];
  /** Those that the detail names. */
  readonly groups: readonly PlacementGroup[];
}

export interface PlacementGroup {
  /** As commands want it: `2.1f`. */
  readonly id: string;
  /** Its number in its pool, and how many there are: which objects it has goes by these. */
  readonly seed: number;
  readonly of: number;
  readonly pool: string;
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
