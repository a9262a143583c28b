/** The part of the port that is about cephx users of single images: what such a user has to reach, and his life. */
import type { Deadline } from '../../model/deadline.js';
import type { ParentSnapshot } from './clone-port.js';
import type { ClusterAccess, PoolRef } from './port-values.js';

/** Where the objects of an image are. */
export interface ImageObjects {
  /** The pool of its data, and how the names of its data's objects begin, up to the last dot. */
  readonly data: { readonly pool: string; readonly prefix: string };
  /** On what it stands; undefined for an image that stands on nothing. */
  readonly parent: ParentSnapshot | undefined;
}

/** By daemon, as `ceph auth get-or-create` takes them: all four, so that the maker's own caps can name each. */
export interface UserCaps {
  readonly mon: string;
  readonly mgr: string;
  readonly mds: string;
  readonly osd: string;
}

export interface UserPort {
  /** Undefined where the image is gone. One OSD operation. */
  objectsById(at: PoolRef, imageId: string, deadline: Deadline): Promise<ImageObjects | undefined>;
  /**
   * Make a user (named without `client.`) and answer his key; the same key where he is there with these caps.
   * BERTH_CEPH_DENIED without the right, BERTH_CEPH_ERROR (EINVAL) where he is there with others.
   */
  makeUser(access: ClusterAccess, user: string, caps: UserCaps, deadline: Deadline): Promise<string>;
  /**
   * Remove a user; one that is not there is a success. He cannot connect any more. What he has open stays so: a fence
   * ends that. BERTH_CEPH_DENIED.
   */
  dropUser(access: ClusterAccess, user: string, deadline: Deadline): Promise<void>;
}
