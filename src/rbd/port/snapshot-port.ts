/** The part of the port that is about snapshots of an image. By id they are found whatever the image is called now. */
import type { Deadline } from '../../model/deadline.js';
import type { ImageHead, ImageRef, PoolRef } from './port-values.js';

/**
 * Whose a snapshot is: `user` of whoever called it by a name; `trash` where it was removed and clones still keep it, or
 * where librbd, which removes each by way of the trash, was cut short.
 */
export type SnapshotKind = 'user' | 'group' | 'trash' | 'mirror' | 'other';

/** A snapshot as the image's header has it. */
export interface Snapshot {
  /** Ceph's own number, unique in the image's pool. */
  readonly id: bigint;
  /** As it was called; Ceph gives one of the trash a name of its own. */
  readonly name: string;
  /** Of one of the trash: as it was called before. */
  readonly nameBefore?: string;
  readonly kind: SnapshotKind;
  /** The image's size when it was cut. */
  readonly sizeBytes: bigint;
  /** By the clock of the OSD. */
  readonly createdAt: Date;
  /** Clones of format 2 that stand on it. */
  readonly cloneCount: number;
}

/** A snapshot, and the image as it is now. */
export interface SnapshotWithHead {
  readonly head: ImageHead;
  readonly snapshot: Snapshot;
}

/** An image as it is now, with all of its snapshots, oldest first. */
export interface ImageSnapshots {
  readonly head: ImageHead;
  readonly snapshots: readonly Snapshot[];
}

export interface SnapshotPort {
  /**
   * Take a snapshot and say its id; one of that name is a success. One round of the monitors. BERTH_IMAGE_NOT_FOUND,
   * BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE.
   */
  createSnapshot(at: ImageRef, snapshot: string, deadline: Deadline): Promise<bigint>;
  /**
   * As {@link createSnapshot}, of the image with this id: never of another one that has got its name. Without asking
   * for the snapshot's id: six OSD operations less. BERTH_IMAGE_NOT_FOUND, BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE.
   */
  cutById(at: PoolRef, imageId: string, snapshot: string, deadline: Deadline): Promise<void>;
  /**
   * Make the image what it was at the snapshot, its size included; may be repeated. False where there is no such
   * snapshot. BERTH_CEPH_ERROR (EROFS) while another client has the image's exclusive lock. BERTH_IMAGE_NOT_FOUND.
   */
  rollBack(at: ImageRef, snapshot: string, deadline: Deadline): Promise<boolean>;
  /** Remove a snapshot; true if it was there. BERTH_IMAGE_NOT_FOUND. */
  removeSnapshot(at: ImageRef, snapshot: string, deadline: Deadline): Promise<boolean>;
  /**
   * Remove a snapshot by its id; true if it was there. One with clones of format 2 goes to the trash, and goes with the
   * last of them. BERTH_IMAGE_BUSY for one of the trash that has clones, and for one that somebody has protected;
   * BERTH_IMAGE_NOT_FOUND, BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE.
   */
  removeSnapshotById(at: PoolRef, imageId: string, snapshotId: bigint, deadline: Deadline): Promise<boolean>;
  /** One OSD operation; undefined where there is no such snapshot, or no such image. */
  snapshotById(
    at: PoolRef,
    imageId: string,
    snapshotId: bigint,
    deadline: Deadline,
  ): Promise<SnapshotWithHead | undefined>;
  /**
   * One OSD operation, and one more for every 64 snapshots; undefined where there is no such image. Of all kinds: the
   * caller chooses.
   */
  snapshotsById(at: PoolRef, imageId: string, deadline: Deadline): Promise<ImageSnapshots | undefined>;
}
