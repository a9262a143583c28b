/**
 * ListVolumes: every volume of ours, page by page in the images' own order;
 * the token says where to go on, nothing is remembered but which images are foreign.
 */
import type { Installation } from '../../../attachment/node-identity.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { isClusterSilent } from '../../../rbd/cluster-silence.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { PoolRef } from '../../../rbd/port.js';
import type { SeenVolume } from '../get-volume.js';
import { formatListToken, parseListToken } from './list-token.js';
import { scanPlace, type PageBudget, type ScanParts } from './scan-place.js';

export interface ListVolumesParts extends ScanParts {
  readonly clusters: Pick<Clusters, 'pools'>;
  readonly installation: Pick<Installation, 'known'>;
}

/** A page where the caller names no size; a reply must stay below gRPC's 4 MiB at the Go clients. */
const PAGE = 1000;
/** What a page reads and passes at most: one of a pool full of others' images must end as well. */
const READS = 2 * PAGE;
const NAMES = 20 * PAGE;
/** The share of the caller's time that a page takes: then it ends where it is. */
const SHARE = 0.8;
/** How long one place may keep others waiting where it can be left out, ms. */
const PLACE_MS = 15_000;

export interface ListVolumes {
  readonly maxEntries: number;
  readonly startingToken: string;
  /**
   * Told why of each place that cannot be asked, which is left out then; undefined where it fails the call. For who
   * draws no conclusion from what is missing.
   */
  readonly leftOut?: ((why: Error) => void) | undefined;
}

export interface VolumePage {
  /** Few or none also where more follow. */
  readonly volumes: readonly SeenVolume[];
  /** '' at the end. */
  readonly nextToken: string;
}

/**
 * Ends within its deadline, where it is. A pool or namespace that Ceph does not have is left out and named in the log;
 * its error is the call's where nothing else is found. A place that cannot be asked fails the page that comes to it:
 * to the attacher a volume that is missing is detached, and it would attach each of them anew, every minute.
 * BERTH_FIELD_INVALID for a negative size, BERTH_TOKEN_INVALID for a token that is none of ours,
 * BERTH_INSTALLATION_UNKNOWN.
 */
export async function listVolumes(
  parts: ListVolumesParts,
  { maxEntries, startingToken, leftOut }: ListVolumes,
  deadline: Deadline,
): Promise<VolumePage> {
  const max = pageSize(maxEntries);
  const places = [...(await parts.clusters.pools('controller'))];
  const start = parseListToken(places, startingToken);
  const budget: PageBudget = {
    volumes: max,
    reads: READS,
    names: NAMES,
    installation: await parts.installation.known(deadline),
  };
  const page: Page = {
    budget,
    volumes: [],
    failures: new Map(),
    leftOut,
    end: deadline.within(deadline.remaining() * SHARE),
  };
  for (const [index, place] of places.entries()) {
    if (index < start.index || isOfSilentCluster(place, page.failures)) continue;
    const isFirst = index === start.index;
    // At least one place is begun: a page that ends before it has begun would be asked for again for ever.
    const stopped = isFirst || !isFull(page) ? await scan(parts, place, isFirst ? start.after : '', page) : '';
    if (stopped !== undefined) return { volumes: page.volumes, nextToken: formatListToken(places, index, stopped) };
  }
  // Nobody must take a list of nothing for the proof that there is nothing.
  const [failure] = page.failures.values();
  if (failure !== undefined && page.volumes.length === 0 && startingToken === '') throw failure;
  return { volumes: page.volumes, nextToken: '' };
}

/** A page that is being filled. */
interface Page extends Pick<ListVolumes, 'leftOut'> {
  readonly budget: PageBudget;
  readonly volumes: SeenVolume[];
  /** Places that are left out. */
  readonly failures: Map<PoolRef, Error>;
  readonly end: Deadline;
}

const isFull = ({ budget, end }: Page): boolean => budget.volumes <= 0 || end.expired;

/** As scanPlace; undefined too for a place that is left out. */
async function scan(parts: ListVolumesParts, place: PoolRef, after: string, page: Page): Promise<string | undefined> {
  const { leftOut, end } = page;
  try {
    const placeEnd = leftOut === undefined ? end : end.within(PLACE_MS);
    return await scanPlace(parts, { place, after }, page.budget, page.volumes, placeEnd);
  } catch (error) {
    if (!(error instanceof Error) || (leftOut === undefined && !isGone(error))) throw error;
    page.failures.set(place, error);
    tellMissing(parts.log, place, error);
    leftOut?.(error);
    return undefined;
  }
}

function tellMissing(log: ListVolumesParts['log'], { access, pool, namespace }: PoolRef, error: Error): void {
  const where = { cluster: access.cluster, pool, namespace };
  log.warn({ ...where, err: error }, 'volumes of this place are missing in a list: it cannot be listed');
}

/** BERTH_FIELD_INVALID */
function pageSize(maxEntries: number): number {
  if (maxEntries < 0) throw berthError('BERTH_FIELD_INVALID', { field: 'max_entries', why: 'below zero' });
  return maxEntries === 0 ? PAGE : Math.min(maxEntries, PAGE);
}

const isOfSilentCluster = (place: PoolRef, failures: ReadonlyMap<PoolRef, Error>): boolean =>
  [...failures].some(([other, error]) => other.access.cluster === place.access.cluster && isClusterSilent(error));

/** Ceph itself says that there is no such place: no volume is in it. */
const isGone = (error: Error): boolean => isBerthError(error, 'BERTH_POOL_NOT_FOUND', 'BERTH_NAMESPACE_NOT_FOUND');
