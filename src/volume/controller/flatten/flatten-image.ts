/**
 * Lets one volume stand alone, while nobody uses it: its parent's data is copied in slices that each end soon, then the
 * link is cut, then the parent forgets it. Each act may be repeated, so that a controller which died anywhere is
 * followed by the next.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HOLDER_KEY, readHolderRecord } from '../../../attachment/holder-record.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../rbd/port.js';
import type { CloneHead, KnownMetadata, LinkObstacle, ParentSnapshot } from '../../../rbd/port/clone-port.js';
import { parseVolumeRecord } from '../../image/volume-record.js';
import type { BACKGROUND_STEPS } from '../../operation/steps.js';
import type { GentleSlices } from '../delete/gentle-slices.js';
import { isGoing } from '../snapshot/find-snapshot.js';
import { countParents, type ChainLimits } from './chain-depth.js';
import { endOfExtents, extentsFrom, firstExtents } from './extent-parts.js';
import {
  asParent,
  asRecorded,
  exchangeRecord,
  isLeased,
  LEASE_MS,
  type FlattenListPort,
  type FlattenRecord,
  type ToFlatten,
} from './flatten-list.js';

/** What a small operation may take, and what a slice may, in ms; a slice is made to take far less. */
const OPERATION_MS = 30_000;
const SLICE_MS = 300_000;
/** A slice for which a create waits, in ms. */
const URGENT_MS = 1_000;
export type FlattenStep = (typeof BACKGROUND_STEPS)['flatten'][number];

export interface FlattenParts {
  /** Over the worker for long work. */
  readonly longWork: FlattenListPort &
    Pick<
      RbdPort,
      | ('headById' | 'cloneById' | 'parentExtents' | 'copyUp' | 'cutLink')
      | ('forgetClone' | 'snapshotById' | 'removeSnapshotById')
    >;
  /** Made up anew by each process. */
  readonly by: string;
  readonly now: () => Date;
  readonly limits: Pick<ChainLimits, 'toFlatten'>;
  readonly slices: Pick<GentleSlices, 'run'>;
  /** To be asked before each slice. */
  readonly stopped: () => boolean;
  /** Does a create wait for it? Asked before each slice. */
  readonly urgent: () => boolean;
  readonly step: (step: FlattenStep) => void;
  /** Between two slices, in ms, while no create waits. */
  readonly pauseMs: number;
  /** Told after each slice: so many bytes of so many. */
  readonly progress: (done: bigint, of: bigint) => void;
}

/** What came of it. */
export type FlattenEnd =
  /** It stands on nothing; what it stood on where this call knows it. */
  | { readonly kind: 'flat'; readonly parent: ParentSnapshot | undefined }
  /** The volume is gone or going, or off the list. */
  | { readonly kind: 'gone' }
  /** What it stands on was flattened meanwhile. */
  | { readonly kind: 'shallow' }
  /** It keeps its parent for ever: a journal, a mirror, a migration, an encryption of its own. */
  | { readonly kind: 'unfit' }
  /** A node may use it. */
  | { readonly kind: 'in use' }
  /** It has snapshots, which stand on its parent as well. */
  | { readonly kind: 'snapshots' }
  /** Somebody has the image open, perhaps a client that died. */
  | { readonly kind: 'open' }
  /** This process' librbd does not tell all that the image has of those below. */
  | { readonly kind: 'old client' }
  /** Its create has not ended yet. */
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'leased' }
  | { readonly kind: 'stopped' };

const soon = (): Deadline => Deadline.after(OPERATION_MS);

/** One of the list, where that is, and where the image is. */
interface Place {
  readonly registry: PoolRef;
  readonly at: PoolRef;
  readonly image: ToFlatten;
}

/** BERTH_RECORD_UNREADABLE, and those of Ceph. */
export async function flattenImage(parts: FlattenParts, place: Place): Promise<FlattenEnd> {
  const { longWork, step } = parts;
  const { at, image } = place;
  step('look');
  const record = await exchangeRecord(longWork, place.registry, image, () => 'keep', soon());
  if (record === undefined) return { kind: 'gone' };
  const clone = await longWork.cloneById(at, image.imageId, soon());
  if (clone === undefined) return standsAlone(parts, place, record.parent && asParent(record.parent));
  const why = await whyNot(parts, place, clone);
  if (why !== undefined) return why;
  const copied = await copyAll(parts, place, clone.head.sizeBytes);
  if (copied !== undefined && copied !== 'not there') return copied;
  return (await cut(parts, place, clone.parent, copied)) ?? standsAlone(parts, place, clone.parent);
}

/** Undefined where it may begin. */
async function whyNot(parts: FlattenParts, place: Place, { head }: CloneHead): Promise<FlattenEnd | undefined> {
  const { longWork, limits } = parts;
  const { at, image } = place;
  if (isGoing(head, image.volume)) return struck(parts, place, { kind: 'gone' });
  // A copy without a record is finished by what it stands on.
  if (parseVolumeRecord(head.metadata, image.volume, head) === undefined) return { kind: 'unfinished' };
  if (isHeld(head, image)) return { kind: 'in use' };
  const depth = await countParents({ rbd: longWork }, at, image.imageId, soon());
  return depth < limits.toFlatten ? struck(parts, place, { kind: 'shallow' }) : undefined;
}

const isHeld = (head: ImageHead, { volume }: ToFlatten): boolean =>
  (readHolderRecord(head, volume)?.holders.length ?? 0) > 0;

/** Undefined when all of it was looked at, and nothing is left to be copied. */
async function copyAll(parts: FlattenParts, place: Place, sizeBytes: bigint): Promise<CopyEnd> {
  const { longWork, progress, urgent } = parts;
  const { at, image } = place;
  const begin = leased(parts, place);
  for (let from: bigint | undefined = 0n; from !== undefined; ) {
    const refused = await begin();
    if (refused !== undefined) return refused;
    const first: bigint = from;
    // Once for all slices of this part: it may ask for each object of it on each image below.
    const part = await inSlice(parts, place, () =>
      longWork.parentExtents(at, image.imageId, first, Deadline.after(SLICE_MS)),
    );
    if (part === undefined) return 'not there';
    if ('obstacle' in part) return endOf(parts, place, part.obstacle);
    const end = await copyPart(parts, place, { extents: part.extents, sizeBytes, begin });
    if (end !== undefined) return end;
    from = part.next;
    progress(from ?? sizeBytes, sizeBytes);
    if (from !== undefined && !urgent()) await pause(parts);
  }
  return undefined;
}

/** `not there` is the image, what it stands on, or its link to that. */
type CopyEnd = FlattenEnd | 'not there' | undefined;

/** What one window of the diff has told. */
interface Part {
  readonly extents: BigUint64Array;
  readonly sizeBytes: bigint;
  /** Says why no slice may begin. */
  readonly begin: () => Promise<FlattenEnd | undefined>;
}

/** Undefined when nothing of it is left to be copied. */
async function copyPart(parts: FlattenParts, place: Place, part: Part): Promise<CopyEnd> {
  const { longWork, step, urgent, progress } = parts;
  const { at, image } = place;
  for (let rest = part.extents; rest.length > 0; ) {
    const refused = await part.begin();
    if (refused !== undefined) return refused;
    const known = knownHolder(await longWork.headById(at, image.imageId, soon()), image);
    if ('kind' in known) return known;
    step('copy slice');
    const some = firstExtents(rest);
    const slice = await inSlice(parts, place, (ms) =>
      longWork.copyUp(at, image.imageId, some, known, ms, Deadline.after(SLICE_MS)),
    );
    if (slice === undefined) return 'not there';
    if ('obstacle' in slice) return endOf(parts, place, slice.obstacle);
    const done = slice.next ?? endOfExtents(some);
    rest = extentsFrom(rest, done);
    progress(done, part.sizeBytes);
    if (rest.length > 0 && !urgent()) await pause(parts);
  }
  return undefined;
}

/** `work` at once where a create waits, else when the calls of this controller let it. */
const inSlice = <T>({ urgent, slices }: FlattenParts, { at }: Place, work: (ms: number) => Promise<T>): Promise<T> =>
  urgent() ? work(URGENT_MS) : slices.run(at.access.cluster, work);

/** Says why the next slice may not begin; under a lease that is renewed in time. */
function leased(parts: FlattenParts, place: Place): () => Promise<FlattenEnd | undefined> {
  const { now, stopped } = parts;
  let renewAt = 0;
  return async () => {
    if (stopped()) return { kind: 'stopped' };
    if (now().getTime() < renewAt) return undefined;
    const refused = await lease(parts, place);
    renewAt = now().getTime() + LEASE_MS / 2;
    return refused;
  };
}

/** What is to stay as it is; or why it may not be touched. */
function knownHolder(
  head: ImageHead | undefined,
  image: ToFlatten,
): KnownMetadata | Extract<FlattenEnd, { kind: 'gone' | 'in use' }> {
  if (head === undefined || isGoing(head, image.volume)) return { kind: 'gone' };
  if (isHeld(head, image)) return { kind: 'in use' };
  return { key: HOLDER_KEY, value: head.metadata.get(HOLDER_KEY) };
}

/** Ends early where a create begins to wait, and where the driver stops. */
async function pause({ stopped, urgent, pauseMs }: FlattenParts): Promise<void> {
  const until = performance.now() + pauseMs;
  while (performance.now() < until && !stopped() && !urgent()) await sleep(50, undefined, { ref: false });
}

/** Another controller's, who works at leisure, is no reason for a create to wait: two at once do no harm. */
const isOthers = ({ by, now, urgent }: FlattenParts, present: FlattenRecord): boolean =>
  !urgent() && isLeased(present, by, now());

/** Undefined where it is ours now. */
async function lease(parts: FlattenParts, { registry, image }: Place): Promise<FlattenEnd | undefined> {
  const { longWork, by, now, step } = parts;
  step('take lease');
  const until = new Date(now().getTime() + LEASE_MS).toISOString();
  const take = (present: FlattenRecord): FlattenRecord | 'keep' =>
    isOthers(parts, present) ? 'keep' : { ...present, lease: { by, until } };
  const record = await exchangeRecord(longWork, registry, image, take, soon());
  if (record === undefined) return { kind: 'gone' };
  return record.lease?.by === by ? undefined : { kind: 'leased' };
}

/**
 * Undefined where the link is cut, or was before. Where something was `not there`, nothing is cut: it may be what the
 * image stands on, which would be read as zeroes then.
 */
async function cut(
  parts: FlattenParts,
  place: Place,
  parent: ParentSnapshot,
  copied: 'not there' | undefined,
): Promise<FlattenEnd | undefined> {
  const { longWork, step } = parts;
  const { registry, at, image } = place;
  const head = await longWork.headById(at, image.imageId, soon());
  const known = knownHolder(head, image);
  if ('kind' in known) return known;
  if (copied === 'not there' && head?.isClone !== true) return undefined;
  if (copied === 'not there') throw new Error(`what image id ${image.imageId} stands on cannot be opened`);
  step('note parent');
  const note = (present: FlattenRecord): FlattenRecord | 'keep' =>
    isOthers(parts, present) ? 'keep' : { ...present, parent: asRecorded(parent) };
  const record = await exchangeRecord(longWork, registry, image, note, soon());
  if (record?.parent === undefined) return { kind: record === undefined ? 'gone' : 'leased' };
  step('cut link');
  const end = await longWork.cutLink(at, image.imageId, known, soon());
  return end === undefined || end === 'cut' ? undefined : endOf(parts, place, end);
}

async function endOf(parts: FlattenParts, place: Place, obstacle: LinkObstacle): Promise<FlattenEnd> {
  switch (obstacle) {
    case 'changed':
      return { kind: 'in use' };
    case 'unfit':
      return struck(parts, place, { kind: 'unfit' });
    default:
      return { kind: obstacle };
  }
}

/**
 * What it stood on is told, and forgets it; a snapshot that was in Ceph's trash for it alone goes. librbd does both in
 * its own flatten.
 */
async function standsAlone(parts: FlattenParts, place: Place, parent: ParentSnapshot | undefined): Promise<FlattenEnd> {
  if (parent !== undefined) await tellParent(parts, place, parent);
  return struck(parts, place, { kind: 'flat', parent });
}

async function tellParent({ longWork, step }: FlattenParts, { at, image }: Place, parent: ParentSnapshot) {
  step('forget clone');
  if (!(await longWork.forgetClone(at, image.imageId, parent, soon()))) {
    throw new Error(`image id ${image.imageId} stands on a snapshot again`);
  }
  step('remove cut');
  const { access } = at;
  const { pool, namespace, imageId, snapshotId } = parent;
  const place = { access, pool, namespace };
  const { snapshot } = (await longWork.snapshotById(place, imageId, snapshotId, soon())) ?? {};
  if (snapshot?.kind !== 'trash' || snapshot.cloneCount > 0) return;
  try {
    await longWork.removeSnapshotById(place, imageId, snapshotId, soon());
  } catch (error) {
    if (!isBerthError(error, 'BERTH_IMAGE_BUSY', 'BERTH_IMAGE_NOT_FOUND')) throw error;
  }
}

async function struck({ longWork, step }: FlattenParts, place: Place, end: FlattenEnd): Promise<FlattenEnd> {
  step('strike off');
  await exchangeRecord(longWork, place.registry, place.image, () => 'remove', soon());
  return end;
}
