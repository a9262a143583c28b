/** The part of the port that says which bytes of a snapshot there are, or changed since an earlier one. */
import type { Deadline } from '../../model/deadline.js';
import type { PoolRef } from './port-values.js';

/** From which snapshot of an image to which. */
export interface SnapshotSpan {
  readonly imageId: string;
  /** An earlier one; undefined for the beginning, when nothing was there. */
  readonly base: bigint | undefined;
  readonly target: bigint;
}

/** A snapshot, as it bounds what can have changed. */
export interface SpanEnd {
  readonly sizeBytes: bigint;
  /** So many of its first bytes are its parent's where it has none of its own. */
  readonly parentBytes: bigint;
}

/** What has to be known of a span beside what librbd tells of it. */
export interface SpanFacts {
  readonly target: SpanEnd;
  /** Undefined where the span has no base. */
  readonly base: SpanEnd | undefined;
  /** The smallest size of all snapshots from the base to the target. */
  readonly leastBytes: bigint;
  /**
   * The image and each of these snapshots has an object map with fast-diff that is in order: only by them is it sure
   * what changed.
   */
  readonly isTracked: boolean;
  /** What is listed of the images below a clone is all that there is: not so with a librbd of an old release. */
  readonly tellsParents: boolean;
}

/** A part of the answer: what stands between the `from` that was asked for and `next`. */
export interface ExtentBatch {
  /** Offset and length in turn, in bytes; ascending, and none touches the next. */
  readonly extents: BigUint64Array;
  /** Where the next part begins, in bytes; undefined where this was the last one. */
  readonly next: bigint | undefined;
}

export interface DiffPort {
  /** Opens the image read-only; undefined where the image or one of the snapshots is not there. */
  spanFacts(at: PoolRef, span: SnapshotSpan, deadline: Deadline): Promise<SpanFacts | undefined>;
  /**
   * Which bytes exist at the target, or with a base: may have changed since, those that went included. Whole objects,
   * so that nothing is read for it where the image has fast-diff; without it, each object costs an OSD operation.
   * A part ends where it has `most` extents or took a second, at the earliest after 1,024 objects; it has at most some
   * 65,536 more. The image is opened read-only for each part: nobody who writes, attaches or deletes meets it.
   * Undefined where the image or one of the snapshots is not there.
   * @param from where the part begins, in bytes; it may begin at the object before
   */
  readExtents(
    at: PoolRef,
    span: SnapshotSpan,
    from: bigint,
    most: number,
    deadline: Deadline,
  ): Promise<ExtentBatch | undefined>;
}
