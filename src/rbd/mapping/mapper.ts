/** From an image to a block device and back: what all mappers have in common. */
import type { MapperName } from '../../model/mapper-name.js';
import type { Deadline } from '../../model/deadline.js';
import type { ImageSpec } from '../../model/volume-id.js';
import type { ImageRef } from '../port.js';

/** `loop` is built into a development driver only; journals and StorageClasses may name it everywhere. */

/**
 * Where an image is as a kernel tells it, which knows no name of a cluster: enough to find and undo a mapping without
 * asking any.
 */
export interface ImageLocation extends ImageSpec {
  /** Of its cluster. */
  readonly fsid: string;
}

export interface Mapping {
  readonly mapper: MapperName;
  readonly location: ImageLocation;
  /** `/dev/rbd0`, `/dev/nbd3`, `/dev/loop7`. */
  readonly device: string;
  readonly readOnly: boolean;
}

/** One client of the cluster. */
export interface MappedBy {
  /** `addr:port/nonce` */
  readonly address: string;
  /** `client.4123` */
  readonly client: string;
}

export interface MapRequest {
  readonly image: ImageRef;
  readonly fsid: string;
  readonly readOnly: boolean;
  /** Features of the image, checked against what the mapper can do before anything is mapped. */
  readonly features: readonly string[];
  /** Extra options of the StorageClass (`mapOptions`), comma separated as the rbd CLI takes them; empty for none. */
  readonly options: string;
  /**
   * s until I/O that the cluster leaves unanswered becomes an error (`ioTimeout`), for readers as for writers; 0 waits
   * for the cluster, however long, as Ceph's clients do.
   */
  readonly ioTimeoutSeconds: number;
  /**
   * The image may be opened, and a device of it used or taken away, once this has resolved: what needs neither is done
   * before. Its rejection is the map's. Other images do not wait for it. Absent where the image may be opened at once.
   */
  readonly mayOpen?: Promise<unknown>;
  /**
   * Called once the mapper's client has the image open and Ceph counts it among the watchers, where that is known
   * before the device is there. Not called where a mapping that is there already is answered.
   */
  readonly opened?: () => void;
}

export interface Mapper {
  readonly name: MapperName;
  /** Undefined where it can work here, else the reason why not. */
  whyNot(): Promise<string | undefined>;
  /** How many images this node can have mapped at a time. */
  limit(): Promise<number>;
  /**
   * The mapping of this image, read from the kernel. Undefined where there is none: then no process of this mapper has
   * the image open either, and the cluster does not count this node among its watchers. What an attempt that was
   * killed left open without a device is closed first. Needs no cluster. BERTH_MAPPER_UNAVAILABLE, DEADLINE where that
   * cannot be told.
   */
  find(location: ImageLocation, deadline: Deadline): Promise<Mapping | undefined>;
  /**
   * True where `list` shows only what a driver with the same state directory mapped; not there where it shows what
   * anybody mapped.
   */
  readonly listsOnlyOwn?: true;
  /** Every mapping of this mapper on the node, ours or not. */
  list(deadline: Deadline): Promise<readonly Mapping[]>;
  /**
   * Map, or return the mapping that is already there; never a second one. Errors: BERTH_MAPPER_UNAVAILABLE,
   * BERTH_FEATURES_UNSUPPORTED, BERTH_MAP_FAILED, DEADLINE; after an error nothing of the attempt is left or the next
   * `find` sees it.
   */
  map(request: MapRequest, deadline: Deadline): Promise<Mapping>;
  /**
   * Unmap; a mapping that is gone already is a success. BERTH_UNMAP_BUSY while something uses the device,
   * BERTH_UNMAP_FAILED, DEADLINE.
   */
  unmap(mapping: Mapping, deadline: Deadline): Promise<void>;
  /**
   * Why nobody serves the device any more (its daemon has died); undefined while it is served, not there where the
   * kernel itself serves.
   */
  whyUnserved?(mapping: Mapping): Promise<string | undefined>;
  /**
   * Why what is written to the device waits in the kernel for a new server, which {@link map} starts: its daemon has
   * died. Undefined while nothing waits so, not there where nothing ever does.
   */
  whyAwaitsServer?(mapping: Mapping): Promise<string | undefined>;
  /** The process that serves the device from user space and has it open for that; not there where there is none. */
  serverOf?(mapping: Mapping): Promise<number | undefined>;
  /**
   * The client instance by which the device uses the cluster, where this machine's kernel tells it; undefined for a
   * mapping that is gone.
   */
  clientOf?(mapping: Mapping): Promise<MappedBy | undefined>;
  /**
   * Make the device answer every access with an error at once, also to those who have it open: nothing reaches the
   * image through it any more. A mapping that is gone is a success. BERTH_UNMAP_FAILED, DEADLINE.
   */
  cutOff(mapping: Mapping, deadline: Deadline): Promise<void>;
  /** Make the device show the image's new size (bytes); returns when `/sys/class/block` does. */
  resized(mapping: Mapping, sizeBytes: bigint, deadline: Deadline): Promise<void>;
}
