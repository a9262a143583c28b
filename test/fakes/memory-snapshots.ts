/** Snapshots of the fake's images: what a header tells of them, beside their names. */
import { berthError } from '../../src/model/errors.js';
import type { ImageById } from '../../src/rbd/port/group-port.js';
import type { MemoryImage } from './memory-image.js';
import type { Snapshot } from '../../src/rbd/port/snapshot-port.js';

/** What of an image its snapshots need. */
export interface Snapshotted {
  readonly sizeBytes: bigint;
  readonly written: boolean;
  /** By name, oldest first; tests may add to it behind the port's back. */
  snapshots: string[];
  /** More of each of them; one that a test added gets its entry when it is first looked at. */
  readonly cuts: Map<string, Snapshot>;
}

/** Pool-wide as Ceph's. */
let lastId = 2n;
const written = new WeakSet<Snapshot>();

/** Had anybody written to the image when it was cut? */
export const wasWrittenAt = (cut: Snapshot): boolean => written.has(cut);

export const snapshotsOf = (image: Snapshotted): readonly Snapshot[] =>
  image.snapshots.map((name) => snapshotNamed(image, name));

export function snapshotNamed({ cuts, sizeBytes, ...image }: Snapshotted, name: string): Snapshot {
  const known = cuts.get(name);
  if (known !== undefined) return known;
  const cut = { id: ++lastId, name, kind: 'user', sizeBytes, createdAt: new Date(), cloneCount: 0 } as const;
  cuts.set(name, cut);
  if (image.written) written.add(cut);
  return cut;
}

/** The id of the user's snapshot of this name, which is made unless it is there. */
export function cutSnapshot(image: Snapshotted, name: string): bigint {
  if (!image.snapshots.includes(name)) image.snapshots.push(name);
  return snapshotNamed(image, name).id;
}

/** The ids of one snapshot of each, or none at all. BERTH_GROUP_UNFIT. */
export function cutTogether(ids: readonly ImageById[], find: (id: ImageById) => MemoryImage, name: string): bigint[] {
  const images = ids.map(find);
  for (const { id, spec } of images) {
    if (spec.features.includes('exclusive-lock')) continue;
    throw berthError('BERTH_GROUP_UNFIT', { what: id, why: 'its image has no feature exclusive-lock' });
  }
  return images.map((image) => cutSnapshot(image, name));
}

/** False where it is not there. One with clones goes to the trash, under a name of Ceph's own. */
export function dropSnapshot(image: Snapshotted, which: string | bigint): boolean {
  const found = snapshotsOf(image).find(({ id, name }) => id === which || name === which);
  if (found === undefined) return false;
  if (found.kind === 'trash' && found.cloneCount > 0)
    throw berthError('BERTH_IMAGE_BUSY', { image: found.name, why: 'it has clones' });
  if (found.cloneCount > 0) moveToTrash(image, found);
  else forget(image, found);
  return true;
}

export function moveToTrash(image: Snapshotted, found: Snapshot): void {
  forget(image, found);
  const trashed: Snapshot = { ...found, name: `trash-${found.id}`, nameBefore: found.name, kind: 'trash' };
  image.snapshots.push(trashed.name);
  image.cuts.set(trashed.name, trashed);
}

function forget(image: Snapshotted, { name }: Snapshot): void {
  image.snapshots = image.snapshots.filter((one) => one !== name);
  image.cuts.delete(name);
}
