/** Writes into an image that its volume is deleted, and changes what is written there, by compare-and-set. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { ImageHead, PoolRef, RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { DELETED_KEY, formatDeleted, parseDeleted, type DeletedRecord } from './deleted-record.js';

/** Lost races before the caller is told to come again: each one means that somebody else made progress. */
const ATTEMPTS = 8;

export interface MarkParts {
  readonly rbd: Pick<RbdPort, 'headById' | 'compareAndSet'>;
  readonly now: () => Date;
}

/** What the record is to say, from what it says; undefined removes it. */
export type DecideDeleted = (present: DeletedRecord | undefined) => DeletedRecord | undefined | 'keep';

/**
 * The record as it is then; what stands there of another image is overwritten. BERTH_RECORD_CONTENDED after too many
 * lost races, BERTH_IMAGE_NOT_FOUND where the image is gone, BERTH_RECORD_UNREADABLE.
 */
export async function exchangeDeleted(
  rbd: MarkParts['rbd'],
  at: PoolRef,
  seen: ImageHead,
  name: string,
  decide: DecideDeleted,
  deadline: Deadline,
): Promise<DeletedRecord | undefined> {
  let head: ImageHead | undefined = seen;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const present = parseDeleted(head, name);
    const next = decide(present);
    if (next === 'keep') return present;
    const text = next === undefined ? undefined : formatDeleted(next, head);
    if (await rbd.compareAndSet(at, head.id, DELETED_KEY, head.metadata.get(DELETED_KEY), text, deadline)) return next;
    head = await rbd.headById(at, seen.id, deadline);
    if (head === undefined) throw berthError('BERTH_IMAGE_NOT_FOUND', { image: name });
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume: name, times: ATTEMPTS });
}

/**
 * From an earlier attempt it keeps its time. A volume that came back and is deleted again begins anew.
 * @param retentionSeconds undefined where its data is to go as soon as nothing needs it
 */
export async function markDeleted(
  { rbd, now }: MarkParts,
  { at, head, volume }: FoundVolume,
  retentionSeconds: number | undefined,
  deadline: Deadline,
): Promise<true> {
  const since = now();
  const until = retentionSeconds === undefined ? undefined : new Date(since.getTime() + retentionSeconds * 1000);
  const fresh: DeletedRecord = {
    version: 1,
    at: since.toISOString(),
    volume,
    ...(until === undefined ? {} : { keepUntil: until.toISOString() }),
  };
  const decide: DecideDeleted = (present) =>
    present?.volume === volume && present.restoring !== true ? 'keep' : fresh;
  await exchangeDeleted(rbd, at, head, volume, decide, deadline);
  return true;
}
