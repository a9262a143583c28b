/** The part of the port that is about clones: images that stand on a snapshot of another one. */
import type { Deadline } from '../../model/deadline.js';
import type { ImageSpec, PoolSpec } from '../../model/volume-id.js';
import type { ExtentBatch } from './diff-port.js';
import type { ImageHead, ImageRef, NewImage, PoolRef } from './port-values.js';

/** A snapshot that somebody called by a name, of an image of the same cluster. */
export interface CloneSource extends ImageSpec {
  readonly snapshot: string;
}

/** What CreateVolume decides about a clone; size and data are its source's. */
export type NewClone = Omit<NewImage, 'sizeBytes' | 'metadata'>;

/** On what a clone stands, by the ids that last. */
export interface ParentSnapshot extends PoolSpec {
  readonly imageId: string;
  readonly snapshotId: bigint;
}

export interface CloneParent extends ParentSnapshot {
  /**
   * The snapshot knows of the clone, and stays for it. Not so for a clone that was cut short between the two: nothing
   * keeps its snapshot.
   */
  readonly isLinked: boolean;
  /** When the clone was made, by the clock of an OSD: long after its snapshot, where that is an old one. */
  readonly createdAt: Date;
}

/** A clone as it is now. */
export interface CloneHead {
  readonly head: ImageHead;
  readonly parent: ParentSnapshot;
}

/** A change of an image's metadata, all or nothing. */
export interface MetadataChange {
  /** Nothing is changed unless this key has this value; undefined for absent. */
  readonly unless: { readonly key: string; readonly differsFrom: string | undefined };
  readonly set: ReadonlyMap<string, string>;
  readonly remove: readonly string[];
}

/** An entry of an image's metadata, as whoever decided on it has read it. */
export interface KnownMetadata {
  readonly key: string;
  /** Undefined for absent. */
  readonly value: string | undefined;
}

/**
 * Why a clone keeps standing on its parent for now: `open` somewhere else, or its exclusive lock is not to be had, or
 * what was copied is not there; `changed` where its metadata is not what the caller knows; `snapshots` of its own,
 * which stand on the parent as well; `unfit` for ever: a journal, a mirror, a migration or an encryption of its own;
 * `old client` where this machine's librbd overlooks some of what the images below have.
 */
export type LinkObstacle = 'open' | 'changed' | 'snapshots' | 'unfit' | 'old client';

/** How far a clone has data of its own; `next` is where the next slice begins, undefined behind what was asked for. */
export type CopySlice = { readonly next: bigint | undefined } | { readonly obstacle: LinkObstacle };

export interface ClonePort {
  /**
   * Clone (format 2) and say the new image's id. librbd copies the metadata of the source's image, whatever they say of
   * it. BERTH_IMAGE_EXISTS where the name is taken, BERTH_IMAGE_NOT_FOUND where image or snapshot is not there,
   * BERTH_SOURCE_UNFIT where the source's image has no feature layering; of the data pool as createImage.
   */
  cloneImage(at: ImageRef, from: CloneSource, spec: NewClone, deadline: Deadline): Promise<string>;
  /** On what the image stands; undefined where it stands on nothing, or is gone. Two OSD operations. */
  parentById(at: PoolRef, imageId: string, deadline: Deadline): Promise<CloneParent | undefined>;
  /** The image with that on which it stands; undefined where it stands on nothing, or is gone. One OSD operation. */
  cloneById(at: PoolRef, imageId: string, deadline: Deadline): Promise<CloneHead | undefined>;
  /**
   * Give a snapshot that clones stand on to the trash, where nobody sees it and from where it goes with the last of
   * them; may be repeated. Without a clone it would stay there for ever. One OSD operation. BERTH_IMAGE_NOT_FOUND where
   * image or snapshot is gone.
   */
  trashSnapshot(at: PoolRef, imageId: string, snapshotId: bigint, deadline: Deadline): Promise<void>;
  /**
   * Has the image nothing of its own: no extent of the data is its own, whatever its parent has, and no snapshot?
   * BERTH_IMAGE_NOT_FOUND.
   */
  isUnwritten(at: ImageRef, deadline: Deadline): Promise<boolean>;
  /** One OSD operation. False where the condition does not hold; BERTH_IMAGE_NOT_FOUND where the image is gone. */
  changeMetadata(at: PoolRef, imageId: string, change: MetadataChange, deadline: Deadline): Promise<boolean>;
  /**
   * Which bytes the image or what it stands on has, in whole objects, within what it can have of its parent: a part
   * that begins at `from` (0, or where the part before ends). True as long as it stands there, for no snapshot changes
   * and a clone loses no object there. As costly as readExtents. Undefined where the image stands on nothing, or is
   * gone.
   */
  parentExtents(
    at: PoolRef,
    imageId: string,
    from: bigint,
    deadline: Deadline,
  ): Promise<ExtentBatch | { readonly obstacle: LinkObstacle } | undefined>;
  /**
   * Copy what the image has of its parent and lacks itself of these extents ({@link parentExtents}), for so many ms;
   * what is copied stays so, and no byte of the image changes. Each object of theirs before `next`, all where that is
   * undefined, was seen at the OSDs, whatever an object map says of it. Undefined where the image stands on nothing, or
   * is gone.
   */
  copyUp(
    at: PoolRef,
    imageId: string,
    extents: BigUint64Array,
    known: KnownMetadata,
    ms: number,
    deadline: Deadline,
  ): Promise<CopySlice | undefined>;
  /**
   * Let the image stand on nothing, in one operation that changes nothing where its metadata or its snapshots are not
   * what they were. Only for an image that {@link copyUp} has gone through, with all parts of {@link parentExtents}:
   * what was not copied is lost. Its parent still knows of it afterwards. Undefined where it stands on nothing, or is
   * gone.
   */
  cutLink(
    at: PoolRef,
    imageId: string,
    known: KnownMetadata,
    deadline: Deadline,
  ): Promise<'cut' | LinkObstacle | undefined>;
  /**
   * Let the parent forget an image that stands on it no more, or is gone; may be repeated. False where the image still
   * stands on anything: nothing is done then.
   */
  forgetClone(at: PoolRef, imageId: string, parent: ParentSnapshot, deadline: Deadline): Promise<boolean>;
}
