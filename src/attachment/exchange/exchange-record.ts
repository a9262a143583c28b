/**
 * Changes what stands under the holder's key of an image by compare-and-set: of two that race, exactly one wins, and
 * the other decides anew.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { subjectOf } from '../../model/volume-id.js';
import type { ImageHead, ImageRef, RbdPort } from '../../rbd/port.js';
import { formatHolderRecord, HOLDER_KEY, parseHolderEntry, type HolderEntry } from '../holder-record.js';

/** Lost races before we tell the caller to come again: each one means that somebody else made progress. */
const ATTEMPTS = 40;
/** The first races are run at once; then pauses of random length part the many nodes of one volume. Their limit, ms. */
const AT_ONCE = 3;
const PAUSE_MS = 100;

export interface RecordToChange {
  readonly at: ImageRef;
  /** As it was read; read again after a lost race. */
  readonly head: ImageHead;
  readonly volume: string;
}

/** What the key is to say, from what it says; undefined removes it. */
export type DecideEntry = (present: HolderEntry | undefined) => HolderEntry | undefined | 'keep';

/**
 * The head with the record as it is then. What is written names its image by id. BERTH_RECORD_CONTENDED after too many
 * lost races, BERTH_VOLUME_NOT_FOUND where the image is gone.
 */
export async function exchangeRecord(
  rbd: Pick<RbdPort, 'headById' | 'compareAndSet'>,
  { at, head: seen, volume }: RecordToChange,
  decide: DecideEntry,
  deadline: Deadline,
): Promise<ImageHead> {
  let head: ImageHead | undefined = seen;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const present: string | undefined = head.metadata.get(HOLDER_KEY);
    const next = decide(parseHolderEntry(present, volume, head));
    if (next === 'keep') return head;
    const text = next === undefined ? undefined : formatHolderRecord({ ...next, ...subjectOf(volume, head) });
    if (await rbd.compareAndSet(at, head.id, HOLDER_KEY, present, text, deadline)) return withText(head, text);
    if (attempt >= AT_ONCE)
      await sleep(Math.min(Math.random() * Math.min(2 ** attempt, PAUSE_MS), deadline.remaining()));
    head = await rbd.headById(at, head.id, deadline);
    if (head === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume, times: ATTEMPTS });
}

/** The head as it is where its record says `text`. */
export function withText(head: ImageHead, text: string | undefined): ImageHead {
  const metadata = new Map(head.metadata);
  if (text === undefined) metadata.delete(HOLDER_KEY);
  else metadata.set(HOLDER_KEY, text);
  return { ...head, metadata };
}
