/**
 * Goes through the images of one place in the directory's order: one operation for a thousand names, one for each image
 * that may be ours, none for a foreign one that is known.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { isOfInstallation } from '../../../attachment/node-identity.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import { formatVolumeId, parseVolumeId } from '../../../model/volume-id.js';
import type { Logger } from '../../../observe/log.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../rbd/port.js';
import { conditionOfRecords } from '../../image/volume-condition.js';
import { parseVolumeRecord, sourceOf, VOLUME_KEY } from '../../image/volume-record.js';
import { isDeletedName } from '../../image/image-name.js';
import type { SeenVolume } from '../get-volume.js';
import type { ForeignImages } from './foreign-images.js';
import { canEndAt } from './list-token.js';

export interface ScanParts {
  readonly rbd: Pick<RbdPort, 'list' | 'headById'>;
  readonly foreignImages: Pick<ForeignImages, 'knows' | 'saw'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** What a page may still take; a scan takes from it. */
export interface PageBudget {
  /** Volumes that it has room for. */
  volumes: number;
  /** Images that may still be read, and names that may still be passed. */
  reads: number;
  names: number;
  /** Whose nodes are told. */
  readonly installation: string;
}

/** Names of a directory asked for at a time, and headers read at a time. */
const NAMES = 1000;
const WIDTH = 16;

type Listed = Awaited<ReturnType<RbdPort['list']>>[number];

/** One image that may be ours, with the handle that it has then. */
interface Candidate {
  readonly id: string;
  readonly volume: string;
}

/**
 * Puts what it finds `into` the page. Answers behind which image it stopped, because the budget is used up or the time
 * is over; undefined where the place has no more. Errors of the cluster, also DEADLINE where no image was passed.
 */
export async function scanPlace(
  parts: ScanParts,
  { place, after }: { readonly place: PoolRef; readonly after: string },
  budget: PageBudget,
  into: SeenVolume[],
  deadline: Deadline,
): Promise<string | undefined> {
  let passed = after;
  let canEnd = false;
  try {
    for (let from = after; ; ) {
      const names = await parts.rbd.list(place, from, NAMES, deadline);
      for (let next = 0; next < names.length; ) {
        if (canEnd && (isSpent(budget) || deadline.expired)) return passed;
        const { candidates, end } = nextCandidates(parts, place, names, next, Math.min(WIDTH, budget.volumes));
        await readVolumes(parts, place, candidates, budget, into, deadline);
        budget.names -= end - next;
        next = end;
        const last = names[end - 1]?.name ?? '';
        if (!canEndAt(last)) continue;
        passed = last;
        canEnd = true;
      }
      const last = names.at(-1)?.name;
      // A name that is no UTF-8 reads as another one, and would be given again for ever.
      if (last === undefined || last === from || names.length < NAMES) return undefined;
      from = last;
    }
  } catch (error) {
    if (canEnd && isBerthError(error, 'BERTH_DEADLINE')) return passed;
    throw error;
  }
}

const isSpent = ({ volumes, reads, names }: PageBudget): boolean => volumes <= 0 || reads <= 0 || names <= 0;

/** Those among the names from `start` that have to be read, at most `width`; all before `end` are dealt with then. */
function nextCandidates(
  { foreignImages }: Pick<ScanParts, 'foreignImages'>,
  place: PoolRef,
  names: readonly Listed[],
  start: number,
  width: number,
): { readonly candidates: readonly Candidate[]; readonly end: number } {
  const candidates: Candidate[] = [];
  let end = start;
  for (; end < names.length && candidates.length < Math.max(width, 1); end += 1) {
    const { name, id } = names[end] ?? { name: '', id: '' };
    if (isDeletedName(name) || foreignImages.knows(place, id)) continue;
    const volume = handleOf(place, name);
    if (volume !== undefined) candidates.push({ id, volume });
  }
  return { candidates, end };
}

async function readVolumes(
  parts: ScanParts,
  place: PoolRef,
  candidates: readonly Candidate[],
  budget: PageBudget,
  into: SeenVolume[],
  deadline: Deadline,
): Promise<void> {
  const heads = await Promise.all(candidates.map((one) => readableHead(parts, place, one, deadline)));
  budget.reads -= candidates.length;
  for (const [index, { id, volume }] of candidates.entries()) {
    const head = heads[index];
    if (head === undefined) continue;
    const seen = readVolume(head, volume, budget.installation);
    // A copy has a record, which becomes its own where it is renamed: it is read every time.
    if (seen === undefined && !head.metadata.has(VOLUME_KEY)) parts.foreignImages.saw(place, id);
    if (seen === undefined) continue;
    into.push(seen);
    budget.volumes -= 1;
  }
}

/** Undefined for an image that is gone, and for one that cannot be read: it hides no other one. */
async function readableHead(
  { rbd, log }: Pick<ScanParts, 'rbd' | 'log'>,
  place: PoolRef,
  { id, volume }: Candidate,
  deadline: Deadline,
): Promise<ImageHead | undefined> {
  try {
    return await rbd.headById(place, id, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_CEPH_ERROR', 'BERTH_INTERNAL', 'BERTH_CEPH_DENIED')) throw error;
    log.warn({ volume, err: error }, 'an image is missing in a list: it cannot be read');
    return undefined;
  }
}

/**
 * Undefined for an image that Berth did not make, unless a node of this installation has it through Berth: the attacher
 * would attach an adopted one anew every minute.
 */
function readVolume(head: ImageHead, volume: string, installation: string): SeenVolume | undefined {
  let publishedNodes: readonly string[] = [];
  try {
    const holders = readHolderRecord(head, volume)?.holders ?? [];
    publishedNodes = holders.filter((one) => isOfInstallation(one, installation)).map(({ node }) => node);
  } catch {
    // One unreadable record must not hide every other volume; attach and delete will say what is wrong with it.
  }
  if (publishedNodes.length === 0 && !isOurs(head, volume)) return undefined;
  const { sizeBytes } = head;
  const source = sourceOf(head, volume);
  return { volume, sizeBytes, source, publishedNodes, condition: conditionOfRecords(head, volume) };
}

/** A record that cannot be read is still ours: hiding its volume would hide what is wrong with it. */
function isOurs({ metadata }: ImageHead, volume: string): boolean {
  try {
    return parseVolumeRecord(metadata, volume) !== undefined;
  } catch {
    return true;
  }
}

/** Undefined under a name that no handle can carry. */
function handleOf({ access: { cluster }, pool, namespace }: PoolRef, image: string): string | undefined {
  try {
    const volume = formatVolumeId({ cluster, pool, namespace, image });
    return parseVolumeId(volume) === undefined ? undefined : volume;
  } catch {
    return undefined;
  }
}
