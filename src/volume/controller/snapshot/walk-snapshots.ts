/**
 * Goes through the snapshots of ours in one place, in the order of its images' names: one read an image, none of one
 * that is known to be foreign and without them.
 */
import type { Installation } from '../../../attachment/node-identity.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { ImageRef, PoolRef, RbdPort } from '../../../rbd/port.js';
import type { ImageSnapshots } from '../../../rbd/port/snapshot-port.js';
import { BEFORE_DELETED, isDeletedName } from '../../image/image-name.js';
import { isForeign, recordOf } from '../../image/volume-record.js';
import type { ForeignImages } from '../list/foreign-images.js';
import { seenSnapshot, unlessPlaceGone, volumeOf, type SeenSnapshot } from './find-snapshot.js';
import { isOurSnapshot } from './snapshot-name.js';
import { LAST_OF_IMAGE, tokenError, type SnapshotPosition } from './snapshot-token.js';

export interface WalkParts {
  readonly rbd: Pick<RbdPort, 'head' | 'list' | 'nameById' | 'snapshotsById'>;
  readonly installation: Pick<Installation, 'id'>;
  /** Foreign images on which no snapshot of ours stands. */
  readonly withoutSnapshots: Pick<ForeignImages, 'knows' | 'saw'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** Where a walk is in its place. */
export type Passed = Omit<SnapshotPosition, 'index'>;

/** A snapshot; or, without one, only how far the walk has come. */
export interface Step {
  readonly seen: SeenSnapshot | undefined;
  readonly passed: Passed;
}

type NamedImage = Awaited<ReturnType<RbdPort['list']>>[number];

/** Names asked for at a time. */
const NAMES = 1000;
/** Images read at a time: one small read each, one more where it has snapshots. */
const WIDTH = 16;

/**
 * All of the place, those behind `from`. BERTH_TOKEN_INVALID where nobody knows any more which image that was. Of a
 * volume that is deleted between two pages a snapshot may be told twice.
 */
export async function* walkPlace(
  parts: WalkParts,
  place: PoolRef,
  from: Passed | undefined,
  deadline: Deadline,
): AsyncGenerator<Step> {
  let after = '';
  if (from !== undefined) {
    const name = from.image ?? (await parts.rbd.nameById(place, from.imageId, deadline));
    if (name === undefined) throw tokenError(from.imageId);
    yield* restOf(parts, place, { name, id: from.imageId }, from.snapshotId, deadline);
    after = name;
  }
  for (;;) {
    const names = await parts.rbd.list(place, after, NAMES, deadline);
    const mayHave = names.filter(({ id }) => !parts.withoutSnapshots.knows(place, id));
    yield* ofImages(parts, place, mayHave, deadline);
    const last = names.at(-1);
    // A name that is no UTF-8 reads as another one, and would be given again for ever.
    if (last === undefined || last.name === after || names.length < NAMES) return;
    // Also where none of them was read: a page ends by its time.
    yield passedBy(last);
    after = last.name;
  }
}

/**
 * Those of one volume: of the image that it is, and of images that it was before it was deleted, which stand one behind
 * the other in the directory. Three OSD operations, and one for each deleted volume that is still there.
 */
export async function* walkVolume(
  parts: WalkParts,
  at: ImageRef,
  volume: string,
  from: Passed | undefined,
  deadline: Deadline,
): AsyncGenerator<Step> {
  const head = await unlessPlaceGone(parts.rbd.head(at, deadline));
  const present = head === undefined ? [] : [{ name: at.image, id: head.id }];
  const deleted = (await unlessPlaceGone(deletedImages(parts, at, deadline))) ?? [];
  const images = [...present, ...deleted];
  const start = from === undefined ? 0 : images.findIndex(({ id }) => id === from.imageId);
  const [first, ...others] = images.slice(start);
  if (start < 0) throw tokenError(from?.imageId ?? '');
  if (first === undefined) return;
  for await (const step of restOf(parts, at, first, from?.snapshotId ?? 0n, deadline)) {
    if (step.seen?.volume === volume) yield step;
  }
  for await (const step of ofImages(parts, at, others, deadline)) {
    if (step.seen === undefined || step.seen.volume === volume) yield step;
  }
}

/** What a page that ended amid an image has not told of it. */
async function* restOf(
  parts: WalkParts,
  place: PoolRef,
  image: NamedImage,
  told: bigint,
  deadline: Deadline,
): AsyncGenerator<Step> {
  for (const step of await ofImage(parts, place, image, deadline)) if (step.passed.snapshotId > told) yield step;
}

async function* ofImages(
  parts: WalkParts,
  place: PoolRef,
  images: readonly NamedImage[],
  deadline: Deadline,
): AsyncGenerator<Step> {
  for (let from = 0; from < images.length; from += WIDTH) {
    const batch = images.slice(from, from + WIDTH);
    const found = await Promise.all(batch.map((image) => ofImage(parts, place, image, deadline)));
    yield* found.flat();
    const last = batch.at(-1);
    if (last === undefined) return;
    yield passedBy(last);
  }
}

const passedBy = ({ id, name }: NamedImage): Step => ({
  seen: undefined,
  passed: { imageId: id, snapshotId: LAST_OF_IMAGE, image: name },
});

async function ofImage(
  parts: WalkParts,
  place: PoolRef,
  image: NamedImage,
  deadline: Deadline,
): Promise<readonly Step[]> {
  const read = await readable(parts, place, image, deadline);
  if (read === undefined) return [];
  const ours = read.snapshots.filter(isOurSnapshot);
  const volume = volumeOf(place, image.name, read.head);
  if (ours.length === 0) {
    const record = recordOf(read.head, volume ?? '');
    if (isForeign(read.head, record, parts.installation.id ?? '')) parts.withoutSnapshots.saw(place, image.id);
  }
  if (volume === undefined) return [];
  return ours.map((snapshot) => ({
    seen: seenSnapshot(place, image.id, snapshot, volume),
    passed: { imageId: image.id, snapshotId: snapshot.id, image: image.name },
  }));
}

/** Undefined for an image that is gone, and for one that cannot be read: it hides no other one. */
async function readable(
  { rbd, log }: WalkParts,
  place: PoolRef,
  { name: image, id }: NamedImage,
  deadline: Deadline,
): Promise<ImageSnapshots | undefined> {
  try {
    return await rbd.snapshotsById(place, id, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_CEPH_ERROR', 'BERTH_INTERNAL', 'BERTH_CEPH_DENIED')) throw error;
    const { access, pool, namespace } = place;
    const where = { cluster: access.cluster, pool, namespace, image };
    log.warn({ ...where, err: error }, 'snapshots of an image are missing in a list: it cannot be read');
    return undefined;
  }
}

async function deletedImages(
  { rbd }: Pick<WalkParts, 'rbd'>,
  place: PoolRef,
  deadline: Deadline,
): Promise<readonly NamedImage[]> {
  const found: NamedImage[] = [];
  for (let after = BEFORE_DELETED, page = WIDTH; ; page = NAMES) {
    const names = await rbd.list(place, after, page, deadline);
    const ours = names.filter(({ name }) => isDeletedName(name));
    found.push(...ours);
    const last = ours.at(-1)?.name;
    if (last === undefined || last === after || ours.length < page) return found;
    after = last;
  }
}
