/** What of an image's snapshot exists, or changed since an earlier one: librbd's diff, in parts that each end soon. */
import type { ExtentBatch, SnapshotSpan } from '../../../port/diff-port.js';
import { FAST_DIFF } from '../../../feature-bits.js';
import { check, ECANCELED } from '../../ceph-errors.js';
import type { Image } from '../../foreign/bindings.js';
import { withCells } from '../../foreign/c-memory.js';
import { readHeadById, unlessImageAbsent } from '../image-header.js';
import { numberOf, withSnapshot } from '../open/open-image.js';
import type { OpenPool } from '../open-pool.js';
import { ExtentList } from './extent-list.js';

/**
 * How many extents one call into librbd can bring, and how many where each object is asked for: no call can be stopped
 * while it brings nothing.
 */
const FAST_WINDOW = 65_536n;
const SLOW_WINDOW = 1_024n;
/** After so long a part is given to whoever asked for it, in ms. */
const PART_MS = 1_000;

/** Errors as CephErrno; undefined where image or snapshot is gone. */
export const readExtents = (
  place: OpenPool,
  { imageId, base, target }: SnapshotSpan,
  from: bigint,
  most: number,
): Promise<ExtentBatch | undefined> =>
  unlessImageAbsent(place, () =>
    withSnapshot(place, { id: imageId }, target, async (image) => {
      const baseName = base === undefined ? null : await nameOf(place, image, base);
      const size = await numberOf(place.link.ceph.rbd.size, image, 'get size');
      const { objectSizeBytes = 1 } = (await readHeadById(place, imageId)) ?? {};
      const [period, window] = await windowOf(place, image, BigInt(objectSizeBytes));
      const begun = performance.now();
      const found = new ExtentList();
      const isEnough = (): boolean => found.length >= most || performance.now() - begun >= PART_MS;
      const first = from - (from % period);
      let at = first;
      for (; at < size && (at === first || !isEnough()); at += window) {
        const bytes = at + window > size ? size - at : window;
        found.append(await extentsIn(place, image, baseName, at, bytes));
      }
      return { extents: found.toArray(), next: at < size ? at : undefined };
    }),
  );

/** With what a clone has of its parent, where there is no base. @param base the name of a snapshot */
export async function extentsIn(
  { link, deadline }: OpenPool,
  image: Image,
  base: string | null,
  from: bigint,
  bytes: bigint,
): Promise<ExtentList> {
  const found = new ExtentList();
  const gather = (offset: number | bigint, length: number | bigint, exists: number): number => {
    // What went since the base reads as zeroes now, which is a change; from the beginning, it is nothing.
    if (exists !== 0 || base !== null) found.add(Number(offset), Number(length));
    return deadline.expired ? -ECANCELED : 0;
  };
  check(await link.ceph.rbd.diff.later(image, base, from, bytes, 1, 1, gather, null), 'diff image');
  return found;
}

/**
 * The bytes after which the objects begin anew, and how many are asked for at a time. A call begins where an object
 * does: librbd before 16.2.8 tells wrong offsets elsewhere (fast-diff, tracker 53784).
 */
export async function windowOf(
  { link }: OpenPool,
  image: Image,
  objectSize: bigint,
): Promise<readonly [bigint, bigint]> {
  const { rbd } = link.ceph;
  const [unit, count] = [
    await numberOf(rbd.stripeUnit, image, 'get stripe unit'),
    await numberOf(rbd.stripeCount, image, 'get stripe count'),
  ];
  const isFast =
    ((await numberOf(rbd.features, image, 'get features')) & FAST_DIFF) !== 0n &&
    (await numberOf(rbd.flags, image, 'get flags')) === 0n;
  const period = objectSize * count;
  const extents = isFast ? FAST_WINDOW : SLOW_WINDOW;
  const periods = (extents * unit) / period;
  return [period, period * (periods < 1n ? 1n : periods)];
}

/** By the table of snapshots of this open image, which the diff takes as well. @throws CephErrno ENOENT */
const nameOf = ({ link: { ceph } }: OpenPool, image: Image, snapshot: bigint): Promise<string> =>
  withCells(NAME_BYTES / 8 + 1, async (cells) => {
    cells.setU64(0, BigInt(NAME_BYTES));
    check(await ceph.rbd.snapshotName.later(image, snapshot, cells.at(1), cells.at(0)), `look up snapshot ${snapshot}`);
    return cells.chars(1);
  });

/** More than any snapshot of ours is called. */
const NAME_BYTES = 512;
