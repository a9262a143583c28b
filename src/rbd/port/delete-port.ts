/** The part of the port that is about images which go: who uses them, another name, an end in steps. */
import type { Deadline } from '../../model/deadline.js';
import type { ImageRef, PoolRef, Watcher } from './port-values.js';

/** What stands in the way of an image's removal. */
export interface ImageUsers {
  readonly watchers: readonly Watcher[];
  /** How many snapshots it has, those as well that only clones keep and that have no name any more. */
  readonly snapshots: number;
  /** Ceph's id of the image that it was cloned from. */
  readonly parentId: string | undefined;
}

/** An image as the pool's directory or its trash names it. */
export interface NamedImage {
  readonly name: string;
  readonly id: string;
}

export interface DeletePort {
  /**
   * Who uses the image with this id, which has the name of `at`. Two OSD operations; it is opened only where somebody
   * has it open. Clients that have it open hear that its header has changed, and read it again. BERTH_IMAGE_NOT_FOUND,
   * BERTH_IMAGE_IN_GROUP.
   */
  usersOf(at: ImageRef, imageId: string, deadline: Deadline): Promise<ImageUsers>;
  /**
   * Give the image with this id, which has the name of `at` or already the new one, the name `to`. Three OSD operations
   * without an open, of which each may be repeated: a rename that was cut short is gone on with, and a name that others
   * took meanwhile stays theirs. False where the image has neither name. BERTH_IMAGE_EXISTS where `to` is another
   * image's. Whoever has it open by its old name keeps it open.
   */
  rename(at: ImageRef, imageId: string, to: string, deadline: Deadline): Promise<boolean>;
  /**
   * Make it `sizeBytes` long, whatever it was; what was beyond is gone. For images that nobody wants any more, in steps
   * that each end soon: no call can be stopped. BERTH_IMAGE_NOT_FOUND, BERTH_IMAGE_LOCKED.
   */
  cutTo(at: ImageRef, sizeBytes: bigint, deadline: Deadline): Promise<void>;
  /**
   * Delete image and data; true if it was there. BERTH_IMAGE_BUSY with watchers or snapshots, BERTH_IMAGE_IN_GROUP.
   * librbd turns round for ever beside somebody's advisory lock: whoever calls has seen that there is none
   * (`head`).
   */
  remove(at: ImageRef, deadline: Deadline): Promise<boolean>;
  /** The images in the trash whose removal was cut short or is under way. One OSD operation for 1024 that are there. */
  interruptedRemovals(at: PoolRef, deadline: Deadline): Promise<readonly NamedImage[]>;
  /**
   * Remove what is left of an image whose removal was cut short: librbd has moved it to the trash by then, where nobody
   * sees it, and `head` says that there is none. True if there was something. BERTH_IMAGE_BUSY while a client that died
   * removing it is not forgotten.
   */
  finishInterruptedRemoval(at: ImageRef, deadline: Deadline): Promise<boolean>;
}
