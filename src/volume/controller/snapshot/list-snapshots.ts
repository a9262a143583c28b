/**
 * ListSnapshots: every snapshot of ours, page by page in the images' own order, those of deleted volumes among them; or
 * those of one volume, or a single one. The token says where to go on, nothing is remembered.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { PoolRef } from '../../../rbd/port.js';
import { locate, type Credentials } from '../../image/find-volume.js';
import type { SeenSnapshot } from './find-snapshot.js';
import { lookAtSnapshot, type GetSnapshotParts } from './get-snapshot.js';
import { formatSnapshotToken, parseSnapshotToken, tokenError, type SnapshotPosition } from './snapshot-token.js';
import { walkPlace, walkVolume, type Step, type WalkParts } from './walk-snapshots.js';

export interface ListSnapshotsParts extends WalkParts {
  readonly clusters: GetSnapshotParts['clusters'] & Pick<Clusters, 'pools'>;
  readonly rbd: GetSnapshotParts['rbd'] & WalkParts['rbd'];
}

export interface ListSnapshots {
  readonly maxEntries: number;
  readonly startingToken: string;
  /** Only those of this volume; '' for all. */
  readonly volume: string;
  /** Only this one; '' for all. */
  readonly snapshot: string;
  readonly secrets: Credentials | undefined;
}

export interface SnapshotPage {
  /** Few or none also where more follow. */
  readonly snapshots: readonly SeenSnapshot[];
  /** '' at the end. */
  readonly nextToken: string;
}

const NOTHING: SnapshotPage = { snapshots: [], nextToken: '' };

/** A page where the caller names no size; a reply must stay below gRPC's 4 MiB at the Go clients. */
const PAGE = 1000;
/** The share of the caller's time that a page takes: then it ends where it is. */
const SHARE = 0.8;

/**
 * An id that is none of ours is an empty list. A pool or namespace that Ceph does not have is left out and named in the
 * log; its error is the call's where nothing else is found. A place that cannot be asked fails the page that comes to
 * it. BERTH_FIELD_INVALID for a negative size, BERTH_TOKEN_INVALID.
 */
export async function listSnapshots(
  parts: ListSnapshotsParts,
  { maxEntries, startingToken, volume, snapshot, secrets }: ListSnapshots,
  deadline: Deadline,
): Promise<SnapshotPage> {
  if (maxEntries < 0) throw berthError('BERTH_FIELD_INVALID', { field: 'max_entries', why: 'below zero' });
  const max = maxEntries === 0 ? PAGE : Math.min(maxEntries, PAGE);
  const source = volume === '' ? undefined : await locate(parts.clusters, volume, 'controller', secrets);
  const places = source === undefined ? await parts.clusters.pools('controller') : [source.at];
  const from = parseSnapshotToken(places, startingToken);
  if (snapshot !== '') {
    if (from !== undefined) throw tokenError(startingToken);
    const seen = await lookAtSnapshot(parts, snapshot, secrets, deadline);
    return seen !== undefined && (volume === '' || seen.volume === volume)
      ? { ...NOTHING, snapshots: [seen] }
      : NOTHING;
  }
  if (source !== undefined) {
    const steps = walkVolume(parts, source.at, volume, from, deadline);
    return fillPage(withPlace(steps, 0), places, max, deadline);
  }
  return volume === '' ? fillPage(walkAll(parts, places, from, deadline), places, max, deadline) : NOTHING;
}

interface PlacedStep extends Step {
  readonly index: number;
}

async function* withPlace(steps: AsyncIterable<Step>, index: number): AsyncGenerator<PlacedStep> {
  for await (const step of steps) yield { ...step, index };
}

/** One more than asked is read, so that a full last page does not promise another. */
async function fillPage(
  steps: AsyncIterable<PlacedStep>,
  places: readonly PoolRef[],
  max: number,
  deadline: Deadline,
): Promise<SnapshotPage> {
  const end = deadline.within(deadline.remaining() * SHARE);
  const snapshots: SeenSnapshot[] = [];
  let last: SnapshotPosition | undefined;
  for await (const { seen, passed, index } of steps) {
    const isFull = seen !== undefined && snapshots.length === max;
    if (last !== undefined && isFull) return { snapshots, nextToken: formatSnapshotToken(places, last) };
    if (seen !== undefined) snapshots.push(seen);
    last = { index, ...passed };
    if (end.expired) return { snapshots, nextToken: formatSnapshotToken(places, last) };
  }
  return { snapshots, nextToken: '' };
}

/** Of all places, those behind `from`. */
async function* walkAll(
  parts: ListSnapshotsParts,
  places: readonly PoolRef[],
  from: SnapshotPosition | undefined,
  deadline: Deadline,
): AsyncGenerator<PlacedStep> {
  let failure: Error | undefined;
  let found = 0;
  for (const [index, place] of places.entries()) {
    if (index < (from?.index ?? 0)) continue;
    try {
      const steps = walkPlace(parts, place, index === from?.index ? from : undefined, deadline);
      for await (const step of withPlace(steps, index)) {
        found += step.seen === undefined ? 0 : 1;
        yield step;
      }
    } catch (error) {
      // Ceph itself says that there is no such place: no snapshot is in it.
      if (!isBerthError(error, 'BERTH_POOL_NOT_FOUND', 'BERTH_NAMESPACE_NOT_FOUND')) throw error;
      failure ??= error;
      const { access, pool, namespace } = place;
      const where = { cluster: access.cluster, pool, namespace };
      parts.log.warn({ ...where, err: error }, 'a place is missing in a list of snapshots: Ceph does not have it');
    }
  }
  // Nobody must take a list of nothing for the proof that there is nothing.
  if (failure !== undefined && found === 0 && from === undefined) throw failure;
}
