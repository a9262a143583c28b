/**
 * The images that are to stand alone: one record each in an omap of the cluster, written before the volume's own
 * record, and removed when the image stands alone or has gone. What an image stands on, the image itself says.
 */
import type { Deadline } from '../../../model/deadline.js';
import type { PoolSpec } from '../../../model/volume-id.js';
import type { Credentials } from '../../../rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import type { ParentSnapshot } from '../../../rbd/port/clone-port.js';
import type { ChainLimits } from './chain-depth.js';

/** In each cluster's registry place: `pool/namespace/image id` -> JSON. `rados listomapvals berth.flatten` shows it. */
export const FLATTEN_OBJECT = 'berth.flatten';
/** Records read at a time. */
const PAGE = 500;
/** For how long a controller has an image for itself, in ms; renewed between slices. Two at once do no harm. */
export const LEASE_MS = 60_000;

/** {@link ParentSnapshot} as JSON has it. */
export interface RecordedParent extends PoolSpec {
  readonly imageId: string;
  readonly snapshotId: string;
}

export interface FlattenRecord {
  readonly version: 1;
  /** The handle of the volume. */
  readonly volume: string;
  /** ISO 8601, when it was put on the list. */
  readonly at: string;
  /** Who is at it, and until when nobody else is (ISO 8601). */
  readonly lease?: { readonly by: string; readonly until: string };
  /** Who is told afterwards, written before the image's link to it is cut: it knows of the image until then. */
  readonly parent?: RecordedParent;
}

/** An image of the list. */
export interface ToFlatten extends PoolSpec {
  readonly imageId: string;
  readonly volume: string;
}

export type FlattenListPort = Pick<RbdPort, 'listRecords' | 'getRecords' | 'compareAndSetRecord'>;

/** What a create asks of whoever works on the list. */
export interface FlattenQueue {
  readonly limits: ChainLimits;
  /** Put it on the cluster's list, so that it is not forgotten whatever happens from now on. One operation. */
  enlist(cluster: string, image: ToFlatten, secrets: Credentials | undefined, deadline: Deadline): Promise<void>;
  /** Begin with one that is on the list, when its turn comes. */
  begin(cluster: string, image: ToFlatten, secrets: Credentials | undefined): void;
  /**
   * Begin with one that is on the list, before all that nobody waits for. Undefined when it stands alone, or nothing
   * comes of waiting; after a few seconds the percentage that is done.
   */
  hurry(
    cluster: string,
    image: ToFlatten,
    secrets: Credentials | undefined,
    deadline: Deadline,
  ): Promise<number | undefined>;
}

const keyOf = ({ pool, namespace, imageId }: Omit<ToFlatten, 'volume'>): string => `${pool}/${namespace}/${imageId}`;

/** Again is as good as once: what stands there already stays. One operation. */
export async function enlist(
  rbd: FlattenListPort,
  registry: PoolRef,
  image: ToFlatten,
  time: Date,
  deadline: Deadline,
): Promise<void> {
  const record: FlattenRecord = { version: 1, volume: image.volume, at: time.toISOString() };
  await rbd.compareAndSetRecord(registry, FLATTEN_OBJECT, keyOf(image), undefined, JSON.stringify(record), deadline);
}

/** All that can be read; others are of a newer Berth. */
export async function readList(rbd: FlattenListPort, registry: PoolRef, deadline: Deadline): Promise<ToFlatten[]> {
  const found: ToFlatten[] = [];
  for (let after = ''; ; ) {
    const page = await rbd.listRecords(registry, FLATTEN_OBJECT, after, PAGE, deadline);
    for (const [key, text] of page) {
      const volume = parse(text)?.volume;
      const [pool = '', namespace = '', imageId = ''] = key.split('/');
      if (volume !== undefined) found.push({ pool, namespace, imageId, volume });
      after = key;
    }
    if (page.size < PAGE) return found;
  }
}

/** The record as it is now, and as `change` made it where it has; undefined where the image is on the list no more. */
export async function exchangeRecord(
  rbd: FlattenListPort,
  registry: PoolRef,
  image: ToFlatten,
  change: (present: FlattenRecord) => FlattenRecord | 'keep' | 'remove',
  deadline: Deadline,
): Promise<FlattenRecord | undefined> {
  const key = keyOf(image);
  for (;;) {
    const text = (await rbd.getRecords(registry, FLATTEN_OBJECT, [key], deadline)).get(key);
    const present = text === undefined ? undefined : parse(text);
    if (present === undefined) return undefined;
    const next = change(present);
    if (next === 'keep') return present;
    const written = next === 'remove' ? undefined : JSON.stringify(next);
    if (!(await rbd.compareAndSetRecord(registry, FLATTEN_OBJECT, key, text, written, deadline))) continue;
    return next === 'remove' ? undefined : next;
  }
}

/** Is the image another controller's for now? */
export const isLeased = ({ lease }: FlattenRecord, by: string, time: Date): boolean =>
  lease !== undefined && lease.by !== by && Date.parse(lease.until) > time.getTime();

export const asRecorded = ({ pool, namespace, imageId, snapshotId }: ParentSnapshot): RecordedParent => ({
  ...{ pool, namespace, imageId },
  snapshotId: String(snapshotId),
});

export const asParent = ({ pool, namespace, imageId, snapshotId }: RecordedParent): ParentSnapshot => ({
  ...{ pool, namespace, imageId },
  snapshotId: BigInt(snapshotId),
});

function parse(text: string): FlattenRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<FlattenRecord>;
    return value.version === 1 && typeof value.volume === 'string' ? (value as FlattenRecord) : undefined;
  } catch {
    return undefined;
  }
}
