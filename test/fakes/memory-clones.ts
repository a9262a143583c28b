/** Clones of the fake's images: what they stand on, as the headers of both sides have it. */
import { berthError } from '../../src/model/errors.js';
import { imageSpec, type PoolSpec } from '../../src/model/volume-id.js';
import type {
  CloneHead,
  CloneParent,
  CloneSource,
  CopySlice,
  KnownMetadata,
  LinkObstacle,
  MetadataChange,
  NewClone,
  ParentSnapshot,
} from '../../src/rbd/port/clone-port.js';
import type { ExtentBatch } from '../../src/rbd/port/diff-port.js';
import { headOf, newImage, type MemoryImage } from './memory-image.js';
import { moveToTrash, snapshotNamed, snapshotsOf } from './memory-snapshots.js';

/** On what a clone stands. */
export interface StandsOn extends PoolSpec {
  readonly image: MemoryImage;
  readonly snapshotId: bigint;
  /** There was something on it when it was cut. */
  readonly wasWritten: boolean;
  createdAt: Date;
  /** False as after a clone that was cut short: tests set it. */
  isLinked: boolean;
}

/** How much of a clone one look lists, and one slice copies, in bytes. */
const WINDOW = 2n << 30n;
const SLICE = 512n << 20n;
/** The clones that an image knows of, as `snapshot id/image id`. */
const known = new WeakMap<MemoryImage, Set<string>>();

/** A clone of the snapshot, with all that the source says of itself. */
export function cloneOf(source: MemoryImage, from: CloneSource, id: string, spec: NewClone): MemoryImage {
  const name = imageSpec({ ...from, image: `${from.image}@${from.snapshot}` });
  if (!source.snapshots.includes(from.snapshot)) throw berthError('BERTH_IMAGE_NOT_FOUND', { image: name });
  if (!source.spec.features.includes('layering')) {
    throw berthError('BERTH_SOURCE_UNFIT', { source: name, why: 'no feature layering', todo: 'copy the data' });
  }
  const cut = snapshotNamed(source, from.snapshot);
  source.cuts.set(cut.name, { ...cut, cloneCount: cut.cloneCount + 1 });
  known.set(source, (known.get(source) ?? new Set()).add(`${cut.id}/${id}`));
  const { sizeBytes } = cut;
  const objectSizeBytes = spec.objectSizeBytes ?? source.spec.objectSizeBytes;
  const clone = newImage(id, { ...spec, objectSizeBytes, sizeBytes, metadata: new Map() }, new Map(source.metadata));
  const { pool, namespace } = from;
  const wasWritten = source.written || source.standsOn?.wasWritten === true;
  clone.standsOn = {
    pool,
    namespace,
    image: source,
    snapshotId: cut.id,
    wasWritten,
    createdAt: new Date(),
    isLinked: true,
  };
  clone.parent = name;
  clone.start = Buffer.from(source.start);
  return clone;
}

/** Copied, or gone: its source's snapshot has one clone less, and goes with the last one. */
export function standAlone(clone: MemoryImage): void {
  const { standsOn } = clone;
  if (standsOn === undefined) return;
  const { image, snapshotId } = standsOn;
  letGo(clone);
  forget(image, snapshotId, clone.id);
  const cut = snapshotsOf(image).find(({ id }) => id === snapshotId);
  if (cut === undefined || cut.kind !== 'trash' || cut.cloneCount > 0) return;
  image.snapshots = image.snapshots.filter((name) => name !== cut.name);
  image.cuts.delete(cut.name);
}

function letGo(clone: MemoryImage): void {
  clone.written ||= clone.standsOn?.wasWritten === true;
  clone.standsOn = undefined;
  clone.parent = undefined;
}

function forget(image: MemoryImage, snapshotId: bigint, cloneId: string): void {
  if (known.get(image)?.delete(`${snapshotId}/${cloneId}`) !== true) return;
  const cut = snapshotsOf(image).find(({ id }) => id === snapshotId);
  if (cut !== undefined) image.cuts.set(cut.name, { ...cut, cloneCount: cut.cloneCount - 1 });
}

function obstacleAt(clone: MemoryImage, { key, value }: KnownMetadata): LinkObstacle | undefined {
  if ((clone.metadata.get(key) ?? '') !== (value ?? '')) return 'changed';
  if (clone.snapshots.length > 0) return 'snapshots';
  if (clone.spec.features.includes('journaling')) return 'unfit';
  return clone.watchers.length > 0 || clone.locks.length > 0 ? 'open' : undefined;
}

/** All bytes of a window, for nothing is known of each. */
export function parentExtents(clone: MemoryImage | undefined, from: bigint): ExtentBatch | undefined {
  if (clone?.standsOn === undefined) return undefined;
  const end = from + WINDOW < clone.sizeBytes ? from + WINDOW : clone.sizeBytes;
  const extents = clone.standsOn.wasWritten ? BigUint64Array.of(from, end - from) : new BigUint64Array();
  return { extents, next: end < clone.sizeBytes ? end : undefined };
}

/** Half a GiB at a time. */
export function copyUp(
  clone: MemoryImage | undefined,
  [from = 0n, bytes = 0n]: BigUint64Array,
  unless: KnownMetadata,
): CopySlice | undefined {
  if (clone?.standsOn === undefined) return undefined;
  const obstacle = obstacleAt(clone, unless);
  if (obstacle !== undefined) return { obstacle };
  return { next: SLICE < bytes ? from + SLICE : undefined };
}

export function cutLink(clone: MemoryImage | undefined, unless: KnownMetadata): 'cut' | LinkObstacle | undefined {
  if (clone?.standsOn === undefined) return undefined;
  const obstacle = obstacleAt({ ...clone, watchers: [] }, unless);
  if (obstacle === undefined) letGo(clone);
  return obstacle ?? 'cut';
}

export function forgetClone(
  clone: MemoryImage | undefined,
  cloneId: string,
  image: MemoryImage | undefined,
  { snapshotId }: ParentSnapshot,
): boolean {
  if (clone?.standsOn !== undefined) return false;
  if (image !== undefined) forget(image, snapshotId, cloneId);
  return true;
}

export function parentOf(clone: MemoryImage | undefined): CloneParent | undefined {
  if (clone?.standsOn === undefined) return undefined;
  const { image, pool, namespace, snapshotId, createdAt, isLinked } = clone.standsOn;
  return { pool, namespace, imageId: image.id, snapshotId, createdAt, isLinked };
}

/** One that is there already is a success. */
export function trashSnapshot(image: MemoryImage, snapshotId: bigint): void {
  const cut = snapshotsOf(image).find(({ id }) => id === snapshotId);
  if (cut === undefined) throw berthError('BERTH_IMAGE_NOT_FOUND', { image: `id ${image.id}` });
  if (cut.kind !== 'trash') moveToTrash(image, cut);
}

export function cloneHeadOf(image: MemoryImage | undefined, fsid: string): CloneHead | undefined {
  const parent = parentOf(image);
  return image && parent && { head: headOf(image, fsid), parent };
}

export const isUnwritten = ({ written, snapshots }: MemoryImage): boolean => !written && snapshots.length === 0;

export const isEmpty = ({ written, parent, standsOn }: MemoryImage): boolean =>
  !written && (standsOn === undefined ? parent === undefined : !standsOn.wasWritten);

export function changeMetadata(
  metadata: Map<string, string>,
  { unless: { key, differsFrom = '' }, set, remove }: MetadataChange,
): boolean {
  if ((metadata.get(key) ?? '') !== differsFrom) return false;
  for (const [name, value] of set) metadata.set(name, value);
  for (const name of remove) metadata.delete(name);
  return true;
}
