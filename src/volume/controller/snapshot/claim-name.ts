/**
 * Makes a snapshot's name that of one source, before anything is cut: of two sources that want the same name at the
 * same time, one gets it. What is there already is found on the way.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import type { Snapshot } from '../../../rbd/port/snapshot-port.js';
import { locate, type Credentials } from '../../image/find-volume.js';
import { unlessPlaceGone } from './find-snapshot.js';
import type { NameRecord, NameRecords, NamesPort, ReadRecord } from './name-record.js';

export interface ClaimParts {
  readonly clusters: Pick<Clusters, 'all' | 'image' | 'pool'>;
  readonly rbd: NamesPort & Pick<RbdPort, 'snapshotById' | 'snapshotsById' | 'removeSnapshotById'>;
  readonly now: () => Date;
}

/** A name that is wanted, and by whom. */
export interface WantedName {
  /** In RBD. */
  readonly name: string;
  /** As the orchestrator calls it, for messages. */
  readonly called: string;
  /** The source. */
  readonly volume: string;
  readonly secrets: Credentials | undefined;
}

/** A snapshot that a record speaks of. */
export interface RecordedSnapshot {
  readonly at: PoolRef;
  readonly imageId: string;
  readonly snapshot: Snapshot;
}

/** How long an attempt that has cut nothing keeps its name from other sources, in ms. */
const COUNTS_MS = 120_000;
/** Lost races before the caller is told to come again: each one means that somebody else made progress. */
const ATTEMPTS = 8;

/**
 * The record that is ours now, or the snapshot that was taken under it before. BERTH_SNAPSHOT_EXISTS of another source,
 * BERTH_SNAPSHOT_PENDING while another source may be taking one, BERTH_RECORD_CONTENDED.
 */
export async function claimName(
  parts: ClaimParts,
  names: NameRecords,
  wanted: WantedName,
  mine: NameRecord,
  deadline: Deadline,
): Promise<{ readonly record: ReadRecord } | { readonly present: RecordedSnapshot }> {
  const { name } = wanted;
  let seen: ReadRecord | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const present = seen && (await useRecord(parts, wanted, seen, mine.imageId, deadline));
    if (present !== undefined) return { present };
    const record = await names.change(name, seen, mine, deadline);
    if (record !== undefined) return { record };
    seen = await names.read(name, deadline);
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume: name, times: ATTEMPTS });
}

/** What was taken under a record that is there; undefined where the name may be taken over. */
async function useRecord(
  parts: ClaimParts,
  wanted: WantedName,
  record: ReadRecord,
  imageId: string,
  deadline: Deadline,
): Promise<RecordedSnapshot | undefined> {
  const found = await recordedSnapshot(parts, wanted, record, deadline);
  const { volume: have, at: since, undoing = false } = record;
  const isWhole = record.snapshotId !== undefined;
  if (have !== wanted.volume) {
    if (found !== undefined && !undoing) {
      throw berthError('BERTH_SNAPSHOT_EXISTS', { name: wanted.called, have, want: wanted.volume });
    }
    if (!isWhole && parts.now().getTime() - Date.parse(since) < COUNTS_MS) {
      throw berthError('BERTH_SNAPSHOT_PENDING', { name: wanted.called, volume: have, since });
    }
  } else if (isWhole) return found;
  // An attempt on this very image that was cut short is taken up, and its snapshot looked at anew.
  const isTakenUp = have === wanted.volume && record.imageId === imageId && !undoing;
  if (found !== undefined && !isTakenUp) await removeRecorded(parts, found, deadline);
  return undefined;
}

/** One or two OSD operations; undefined where there is no such snapshot, or its place is not ours any more. */
export async function recordedSnapshot(
  { clusters, rbd }: ClaimParts,
  { name, secrets }: Pick<WantedName, 'name' | 'secrets'>,
  { volume, imageId, snapshotId }: NameRecord,
  deadline: Deadline,
): Promise<RecordedSnapshot | undefined> {
  const place = await locate(clusters, volume, 'controller', secrets);
  if (place === undefined) return undefined;
  const { access, pool, namespace } = place.at;
  const at: PoolRef = { access, pool, namespace };
  const isIt = (one: Snapshot): boolean => one.kind === 'user' && one.name === name;
  const all =
    snapshotId === undefined
      ? (await unlessPlaceGone(rbd.snapshotsById(at, imageId, deadline)))?.snapshots
      : [(await unlessPlaceGone(rbd.snapshotById(at, imageId, BigInt(snapshotId), deadline)))?.snapshot];
  const snapshot = all?.find((one) => one !== undefined && isIt(one));
  return snapshot && { at, imageId, snapshot };
}

/** One that nobody was told of; a success where it, or its image, has gone meanwhile. */
export async function removeRecorded(
  { rbd }: Pick<ClaimParts, 'rbd'>,
  { at, imageId, snapshot }: Omit<RecordedSnapshot, 'snapshot'> & { readonly snapshot: Pick<Snapshot, 'id'> },
  deadline: Deadline,
): Promise<void> {
  try {
    await rbd.removeSnapshotById(at, imageId, snapshot.id, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_IMAGE_NOT_FOUND')) throw error;
  }
}
