/**
 * ListVolumes: every volume of ours, page by page in the images' own order;
 * the token says where to go on, nothing is remembered.
 */
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { formatVolumeId, parseVolumeId } from '../../model/volume-id.js';
import type { Logger } from '../../observe/log.js';
import { isClusterSilent } from '../../rbd/cluster-silence.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { ImageHead, PoolRef, RbdPort } from '../../rbd/port.js';
import { readHolderRecord } from '../../attachment/holder-record.js';
import { isOfInstallation, type Installation } from '../../attachment/node-identity.js';
import { conditionOfRecords } from '../image/volume-condition.js';
import type { SeenVolume } from './get-volume.js';
import { parseVolumeRecord } from '../image/volume-record.js';

export interface ListVolumesParts {
  readonly clusters: Pick<Clusters, 'pools'>;
  readonly rbd: Pick<RbdPort, 'list' | 'head'>;
  readonly installation: Pick<Installation, 'known'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** A page where the caller names no size; a reply must stay below gRPC's 4 MiB at the Go clients. */
const PAGE = 1000;
/** Heads read at a time: two small reads each. */
const WIDTH = 16;

export interface VolumePage {
  readonly volumes: readonly SeenVolume[];
  /** '' at the end. */
  readonly nextToken: string;
}

/**
 * A pool, namespace or cluster that cannot be listed (gone, no caps, silent) is left out and named in the log; its
 * error is the call's where nothing else is found. BERTH_FIELD_INVALID for a negative size, BERTH_TOKEN_INVALID for a
 * token that is none of ours, BERTH_INSTALLATION_UNKNOWN.
 */
export async function listVolumes(
  { clusters, rbd, log, installation }: ListVolumesParts,
  request: { readonly maxEntries: number; readonly startingToken: string },
  deadline: Deadline,
): Promise<VolumePage> {
  if (request.maxEntries < 0) throw berthError('BERTH_FIELD_INVALID', { field: 'max_entries', why: 'below zero' });
  const max = request.maxEntries === 0 ? PAGE : Math.min(request.maxEntries, PAGE);
  const own = await installation.known(deadline);
  const places = [...(await clusters.pools('controller'))];
  const start = decodeToken(request.startingToken, places);
  const volumes: SeenVolume[] = [];
  const failures = new Map<PoolRef, Error>();
  for (let index = start.index; index < places.length; index += 1) {
    const place = places[index];
    if (place === undefined) break;
    if ([...failures].some(([other, error]) => isSameCluster(other, place) && isClusterSilent(error))) continue;
    const after = index === start.index ? start.after : '';
    try {
      await collectVolumes({ rbd, log, own }, place, after, max + 1 - volumes.length, volumes, deadline);
    } catch (error) {
      if (deadline.expired || !(error instanceof Error)) throw error;
      failures.set(place, error);
      log.warn({ ...whereIs(place), err: error }, 'volumes of this place are missing in a list: it cannot be listed');
    }
    if (volumes.length > max) break;
  }
  // Nobody must take a list of nothing for the proof that there is nothing.
  const [failure] = failures.values();
  if (failure !== undefined && volumes.length === 0 && request.startingToken === '') throw failure;
  // One more than asked was read, so that a full last page does not promise another.
  const page = volumes.slice(0, max);
  const last = page.at(-1);
  return { volumes: page, nextToken: volumes.length > max && last !== undefined ? last.volume : '' };
}

async function collectVolumes(
  { rbd, log, own }: Pick<ListVolumesParts, 'rbd' | 'log'> & { readonly own: string },
  place: PoolRef,
  after: string,
  want: number,
  into: SeenVolume[],
  deadline: Deadline,
): Promise<void> {
  const stop = into.length + want;
  let from = after;
  while (into.length < stop) {
    const names = await rbd.list(place, from, Math.max(WIDTH, Math.min(want, PAGE)), deadline);
    for (let i = 0; i < names.length && into.length < stop; i += WIDTH) {
      const batch = names.slice(i, i + WIDTH);
      const heads = await Promise.all(batch.map(({ name }) => readableHead({ rbd, log }, place, name, deadline)));
      heads.forEach((head, k) => {
        const volume = head === undefined ? undefined : readVolume(place, batch[k]?.name ?? '', head, own);
        if (volume !== undefined && into.length < stop) into.push(volume);
      });
    }
    const last = names.at(-1);
    if (last === undefined) return;
    from = last.name;
  }
}

/** Undefined for an image that is gone, and for one that cannot be read: it hides no other one. */
async function readableHead(
  { rbd, log }: Pick<ListVolumesParts, 'rbd' | 'log'>,
  place: PoolRef,
  image: string,
  deadline: Deadline,
): Promise<ImageHead | undefined> {
  try {
    return await rbd.head({ ...place, image }, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_CEPH_ERROR', 'BERTH_INTERNAL', 'BERTH_CEPH_DENIED')) throw error;
    log.warn({ ...whereIs(place), image, err: error }, 'an image is missing in a list: it cannot be read');
    return undefined;
  }
}

const isSameCluster = (a: PoolRef, b: PoolRef): boolean => a.access.cluster === b.access.cluster;

const whereIs = ({ access: { cluster }, pool, namespace }: PoolRef) => ({ cluster, pool, namespace });

/** Undefined for an image that Berth did not make. */
function readVolume(place: PoolRef, image: string, head: ImageHead, own: string): SeenVolume | undefined {
  const volume = handleOf(place, image);
  if (volume === undefined || !isOurs(head, volume)) return undefined;
  let publishedNodes: readonly string[] = [];
  try {
    const holders = readHolderRecord(head, volume)?.holders ?? [];
    publishedNodes = holders.filter((one) => isOfInstallation(one, own)).map(({ node }) => node);
  } catch {
    // One unreadable record must not hide every other volume; attach and delete will say what is wrong with it.
  }
  return { volume, sizeBytes: head.sizeBytes, publishedNodes, condition: conditionOfRecords(head, volume) };
}

/** A record that cannot be read is still ours: hiding its volume would hide what is wrong with it. */
function isOurs({ metadata }: ImageHead, volume: string): boolean {
  try {
    return parseVolumeRecord(metadata, volume) !== undefined;
  } catch {
    return true;
  }
}

/** A copy or a rename by hand takes our record along; undefined under a name that no handle can carry. */
function handleOf({ access: { cluster }, pool, namespace }: PoolRef, image: string): string | undefined {
  try {
    const volume = formatVolumeId({ cluster, pool, namespace, image });
    return parseVolumeId(volume) === undefined ? undefined : volume;
  } catch {
    return undefined;
  }
}

/** The token is the last handle of the page: the contract allows it 128 bytes, no more than a handle has. */
function decodeToken(token: string, places: readonly PoolRef[]): { readonly index: number; readonly after: string } {
  if (token === '') return { index: 0, after: '' };
  const id = parseVolumeId(token);
  const index = places.findIndex(
    ({ access, pool, namespace }) => access.cluster === id?.cluster && pool === id.pool && namespace === id.namespace,
  );
  if (id === undefined || index < 0) throw berthError('BERTH_TOKEN_INVALID', { token: token.slice(0, 40) });
  return { index, after: id.image };
}
