/** Clones of the fake's images: what they stand on, as the headers of both sides have it. */
import { berthError } from '../../src/model/errors.js';
import { imageSpec, type PoolSpec } from '../../src/model/volume-id.js';
import type { CloneHead, CloneParent, CloneSource, MetadataChange, NewClone } from '../../src/rbd/port/clone-port.js';
import { headOf, newImage, type MemoryImage } from './memory-image.js';
import { moveToTrash, snapshotNamed, snapshotsOf } from './memory-snapshots.js';

/** On what a clone stands. */
export interface StandsOn extends PoolSpec {
  readonly image: MemoryImage;
  readonly snapshotId: bigint;
  /** There was something on it when it was cut. */
  readonly wasWritten: boolean;
  /** False as after a clone that was cut short: tests set it. */
  isLinked: boolean;
}

/** A clone of the snapshot, with all that the source says of itself. */
export function cloneOf(source: MemoryImage, from: CloneSource, id: string, spec: NewClone): MemoryImage {
  const name = imageSpec({ ...from, image: `${from.image}@${from.snapshot}` });
  if (!source.snapshots.includes(from.snapshot)) throw berthError('BERTH_IMAGE_NOT_FOUND', { image: name });
  if (!source.spec.features.includes('layering')) {
    throw berthError('BERTH_SOURCE_UNFIT', { source: name, why: 'no feature layering', todo: 'copy the data' });
  }
  const cut = snapshotNamed(source, from.snapshot);
  source.cuts.set(cut.name, { ...cut, cloneCount: cut.cloneCount + 1 });
  const { sizeBytes } = cut;
  const objectSizeBytes = spec.objectSizeBytes ?? source.spec.objectSizeBytes;
  const clone = newImage(id, { ...spec, objectSizeBytes, sizeBytes, metadata: new Map() }, new Map(source.metadata));
  const { pool, namespace } = from;
  const wasWritten = source.written || source.standsOn?.wasWritten === true;
  clone.standsOn = { pool, namespace, image: source, snapshotId: cut.id, wasWritten, isLinked: true };
  clone.parent = name;
  clone.start = Buffer.from(source.start);
  return clone;
}

/** Copied, or gone: its source's snapshot has one clone less. */
export function standAlone(clone: MemoryImage): void {
  const { standsOn } = clone;
  clone.standsOn = undefined;
  clone.parent = undefined;
  if (standsOn === undefined) return;
  clone.written ||= standsOn.wasWritten;
  const { image, snapshotId } = standsOn;
  const cut = snapshotsOf(image).find(({ id }) => id === snapshotId);
  if (cut === undefined) return;
  const left = { ...cut, cloneCount: cut.cloneCount - 1 };
  image.cuts.set(cut.name, left);
  if (cut.kind !== 'trash' || left.cloneCount > 0) return;
  image.snapshots = image.snapshots.filter((name) => name !== cut.name);
  image.cuts.delete(cut.name);
}

export function parentOf(clone: MemoryImage | undefined): CloneParent | undefined {
  if (clone?.standsOn === undefined) return undefined;
  const { pool, namespace, image, snapshotId, isLinked } = clone.standsOn;
  return { pool, namespace, imageId: image.id, snapshotId, isLinked };
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
