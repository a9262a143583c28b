/**
 * The claim of a delete on an image, in the place of the holder record. From then on nobody is let in, whatever crash
 * comes: not a reader either, whom Ceph does not show.
 */
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { ImageHead, RbdPort } from '../rbd/port.js';
import { exchangeRecord, type RecordToChange } from './exchange/exchange-record.js';
import { isClaim, type DeleteClaim, type HolderEntry, type HolderRecord } from './holder-record.js';

export interface Claimed {
  /** With the claim in it. */
  readonly head: ImageHead;
  /**
   * False: an earlier attempt of this very client never learned how its removal ended, and that may still come true.
   * Such a claim is not given back.
   */
  readonly isNew: boolean;
}

export class DeleteClaims {
  readonly #rbd: Pick<RbdPort, 'headById' | 'compareAndSet'>;
  readonly #now: () => Date;

  constructor(rbd: Pick<RbdPort, 'headById' | 'compareAndSet'>, now: () => Date = () => new Date()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * Claim the volume, or go on under a claim that is there: the client joins it. BERTH_VOLUME_IN_USE names who holds
   * it, BERTH_VOLUME_NOT_FOUND.
   * @param client `addr:port/nonce` of the Ceph client that is to remove the image
   */
  async claim(record: RecordToChange, client: string, deadline: Deadline): Promise<Claimed> {
    let isNew = true;
    const head = await exchangeRecord(
      this.#rbd,
      record,
      (present) => {
        if (present !== undefined && !isClaim(present)) throw heldError(present, record.volume);
        const before = present?.deleting ?? [];
        isNew = before.every((one) => one.client !== client);
        if (!isNew) return 'keep';
        const mine = { client, since: this.#now().toISOString() };
        const [first = mine, ...rest] = [...before, mine];
        return { version: 1, deleting: [first, ...rest] } satisfies DeleteClaim;
      },
      deadline,
    );
    return { head, isNew };
  }

  /** Ceph has refused to remove the image for this client. The claim ends with the last client in it. */
  async giveBack(record: RecordToChange, client: string, deadline: Deadline): Promise<void> {
    await exchangeRecord(this.#rbd, record, (present) => withoutClient(present, client), deadline);
  }
}

const heldError = ({ holders }: HolderRecord, volume: string): Error =>
  berthError('BERTH_VOLUME_IN_USE', { volume, who: `node ${holders.map((one) => one.node).join(', ')} (attached)` });

function withoutClient(present: HolderEntry | undefined, client: string): HolderEntry | undefined | 'keep' {
  if (!isClaim(present)) return 'keep';
  const [first, ...rest] = present.deleting.filter((one) => one.client !== client);
  return first === undefined ? undefined : { ...present, deleting: [first, ...rest] };
}
