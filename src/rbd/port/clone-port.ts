/** The part of the port that is about clones: images that stand on a snapshot of another one. */
import type { Deadline } from '../../model/deadline.js';
import type { ImageSpec, PoolSpec } from '../../model/volume-id.js';
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
  /** Let the image stand on nothing: copy all that it has of its parent. BERTH_IMAGE_NOT_FOUND. */
  flatten(at: ImageRef, deadline: Deadline): Promise<void>;
}
