/**
 * Changes of one image's record, one at a time in this process: two hundred readers that are attached at once would
 * lose their races against each other. Who waited begins with what the one before has left. Other processes are raced.
 */
import type { Deadline } from '../../model/deadline.js';
import { withinDeadline } from '../../model/time-limit.js';
import type { ImageHead } from '../../rbd/port.js';
import { withText, type RecordToChange } from './exchange-record.js';
import { HOLDER_KEY } from '../holder-record.js';

export class RecordQueue {
  /** By image, the end of the last in its queue: the head that it leaves, undefined where that is not known. */
  readonly #last = new Map<string, Promise<ImageHead | undefined>>();

  /** The head as `exchange` leaves it, whose error is the call's; DEADLINE where its turn does not come. */
  change(
    record: RecordToChange,
    exchange: (record: RecordToChange) => Promise<ImageHead>,
    deadline: Deadline,
  ): Promise<ImageHead> {
    const { at, head } = record;
    const key = JSON.stringify([at.access.cluster, at.pool, at.namespace, head.id]);
    const before = this.#last.get(key);
    const turn = turnAfter(before, record, exchange, deadline);
    const end = turn
      .catch(() => before)
      .finally(() => {
        if (this.#last.get(key) === end) this.#last.delete(key);
      });
    this.#last.set(key, end);
    return turn;
  }
}

async function turnAfter(
  before: Promise<ImageHead | undefined> | undefined,
  record: RecordToChange,
  exchange: (record: RecordToChange) => Promise<ImageHead>,
  deadline: Deadline,
): Promise<ImageHead> {
  if (before === undefined) return exchange(record);
  const what = `another change of the holder record of ${record.volume}`;
  const left = await withinDeadline(before, what, deadline);
  // It was written after this one's head was read.
  return exchange(
    left === undefined ? record : { ...record, head: withText(record.head, left.metadata.get(HOLDER_KEY)) },
  );
}
