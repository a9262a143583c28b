/**
 * Goes through the images of one place in the directory's order: one operation for a thousand names, one for each image
 * that may be ours, none for a foreign one that is known.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { isOfInstallation } from '../../../attachment/node-identity.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import { workThrough } from '../../../model/settle-all.js';
import { formatVolumeId, parseVolumeId } from '../../../model/volume-id.js';
import type { Logger } from '../../../observe/log.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../rbd/port.js';
import { conditionOfRecords } from '../../image/volume-condition.js';
import { isForeign, recordOf } from '../../image/volume-record.js';
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
  /** Where it stands among the names. */
  readonly index: number;
}

/** A page that is being filled from one place. */
interface Scan {
  readonly place: PoolRef;
  readonly budget: PageBudget;
  readonly into: SeenVolume[];
  readonly deadline: Deadline;
  /** Where the page may end: behind this image, with so many volumes. */
  stop?: { readonly passed: string; readonly volumes: number };
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
  const scan: Scan = { place, budget, into, deadline };
  try {
    for (let from = after; ; ) {
      const names = await parts.rbd.list(place, from, NAMES, deadline);
      if (!(await scanNames(parts, names, scan))) return stopped(scan);
      const last = names.at(-1)?.name;
      // A name that is no UTF-8 reads as another one, and would be given again for ever.
      if (last === undefined || last === from || names.length < NAMES) return undefined;
      from = last;
    }
  } catch (error) {
    if (scan.stop !== undefined && isBerthError(error, 'BERTH_DEADLINE')) return stopped(scan);
    throw error;
  }
}

/** Behind a name that no token carries the page cannot end: the volumes from there on are the next one's. */
function stopped({ stop, into }: Scan): string {
  into.length = stop?.volumes ?? 0;
  return stop?.passed ?? '';
}

/** False where the page ends before the end of these names. */
async function scanNames(parts: ScanParts, names: readonly Listed[], scan: Scan): Promise<boolean> {
  const { place, budget, into, deadline } = scan;
  for (let next = 0; next < names.length; ) {
    if (scan.stop !== undefined && (isSpent(budget) || deadline.expired)) return false;
    const { candidates, behind } = nextCandidates(parts, place, names, next, Math.min(budget.volumes, budget.reads));
    const { heads, failure } = await readHeads(parts, place, candidates, deadline);
    takeVolumes(parts, place, candidates, heads, budget, into);
    const passed = candidates[heads.length]?.index ?? behind;
    budget.names -= passed - next;
    const last = passed > next ? names[passed - 1]?.name : undefined;
    if (last !== undefined && canEndAt(last)) scan.stop = { passed: last, volumes: into.length };
    if (failure !== undefined) throw failure;
    next = passed;
  }
  return true;
}

const isSpent = ({ volumes, reads, names }: PageBudget): boolean => volumes <= 0 || reads <= 0 || names <= 0;

/** Those among the names from `start` that have to be read, at most `most`; all before `behind` are dealt with then. */
function nextCandidates(
  { foreignImages }: Pick<ScanParts, 'foreignImages'>,
  place: PoolRef,
  names: readonly Listed[],
  start: number,
  most: number,
): { readonly candidates: readonly Candidate[]; readonly behind: number } {
  const candidates: Candidate[] = [];
  let index = start;
  for (; index < names.length && candidates.length < Math.max(most, 1); index += 1) {
    const { name, id } = names[index] ?? { name: '', id: '' };
    if (isDeletedName(name) || foreignImages.knows(place, id)) continue;
    const volume = handleOf(place, name);
    if (volume !== undefined) candidates.push({ id, volume, index });
  }
  return { candidates, behind: index };
}

/** Of the first candidates, as many as could be read: all of them unless the time was over, or one failed. */
interface ReadHeads {
  readonly heads: readonly (ImageHead | 'absent')[];
  readonly failure: Error | undefined;
}

/** Always {@link WIDTH} at a time: whoever waits for the slowest of each sixteen reads a third fewer. */
async function readHeads(
  parts: ScanParts,
  place: PoolRef,
  candidates: readonly Candidate[],
  deadline: Deadline,
): Promise<ReadHeads> {
  const heads: (ImageHead | 'absent' | undefined)[] = candidates.map(() => undefined);
  let failure: Error | undefined;
  const read = async ([index, one]: [number, Candidate]): Promise<void> => {
    heads[index] = (await readableHead(parts, place, one, deadline)) ?? 'absent';
  };
  try {
    await workThrough(candidates.entries(), WIDTH, read, () => deadline.expired);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const missing = heads.indexOf(undefined);
  const known = missing < 0 ? heads : heads.slice(0, missing);
  return { heads: known.flatMap((one) => one ?? []), failure };
}

function takeVolumes(
  { foreignImages }: Pick<ScanParts, 'foreignImages'>,
  place: PoolRef,
  candidates: readonly Candidate[],
  heads: ReadHeads['heads'],
  budget: PageBudget,
  into: SeenVolume[],
): void {
  budget.reads -= heads.length;
  for (const [index, head] of heads.entries()) {
    const { id, volume } = candidates[index] ?? { id: '', volume: '' };
    if (head === 'absent') continue;
    const seen = readVolume(head, volume, budget.installation);
    if (seen === 'foreign') foreignImages.saw(place, id);
    if (typeof seen !== 'object') continue;
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
 * `foreign` for an image that Berth did not make, and for another installation's volume, unless a node of this one has
 * it through Berth: the attacher would attach it anew every minute. Undefined for a copy, which has a record that
 * becomes its own where it is renamed: it is read every time.
 */
function readVolume(head: ImageHead, volume: string, installation: string): SeenVolume | 'foreign' | undefined {
  let publishedNodes: readonly string[] = [];
  try {
    const holders = readHolderRecord(head, volume)?.holders ?? [];
    publishedNodes = holders.filter((one) => isOfInstallation(one, installation)).map(({ node }) => node);
  } catch {
    // One unreadable record must not hide every other volume; attach and delete will say what is wrong with it.
  }
  const record = recordOf(head, volume);
  if (publishedNodes.length === 0) {
    if (isForeign(head, record, installation)) return 'foreign';
    if (record === undefined) return undefined;
  }
  const { sizeBytes } = head;
  const source = typeof record === 'object' ? record.source : undefined;
  return { volume, sizeBytes, source, publishedNodes, condition: conditionOfRecords(head, volume) };
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
