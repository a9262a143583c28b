/** The holder record in the image, changed only by compare-and-set: of two controllers that race, exactly one wins. */
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';
import type { ImageHead, ImageRef, RbdPort } from '../rbd/port.js';
import { beyondGrant, decideAttach, decideDetach, type AttachRequest } from './decide.js';
import { formatHolderRecord, HOLDER_KEY, parseHolderRecord, type HolderRecord } from './record.js';

/** Lost races before we tell the caller to come again: each one means that somebody else made progress. */
const ATTEMPTS = 8;

export class Holders {
  readonly #rbd: RbdPort;
  readonly #now: () => Date;

  constructor(rbd: RbdPort, now: () => Date = () => new Date()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * As {@link attach}, for a node that stages: what the attach granted this node is enough, and no more than that may be
   * used (BEYOND_ATTACH). True where this call took the record, so that the node must give it back.
   */
  async hold(at: ImageRef, head: ImageHead, request: AttachRequest, deadline: Deadline): Promise<boolean> {
    let took = true;
    await this.#change(at, head, request.volume, deadline, (record) => {
      const mine = record?.holders.find((one) => one.node === request.node);
      took = mine?.by !== 'controller';
      if (record !== undefined && mine?.by === 'controller') {
        const why = beyondGrant(record, request);
        if (why !== undefined) throw fail('BEYOND_ATTACH', { volume: request.volume, why });
        return 'keep';
      }
      return takeAnew(record, request, mine?.since ?? this.#now().toISOString());
    });
    return took;
  }

  /** Grant the volume to a node; VOLUME_HELD or PUBLISHED_OTHERWISE where that may not be, RECORD_CONTENDED after too many lost races. */
  async attach(at: ImageRef, head: ImageHead, request: AttachRequest, deadline: Deadline): Promise<void> {
    await this.#change(at, head, request.volume, deadline, (record) => {
      const decision = decideAttach(record, request, this.#now().toISOString());
      if (decision.kind === 'refused') throw decision.error;
      return decision.kind === 'held' ? 'keep' : decision.next;
    });
  }

  /** Take the volume from a node ('' for all); a node that does not hold it is a success. */
  async detach(at: ImageRef, head: ImageHead, volume: string, node: string, deadline: Deadline): Promise<void> {
    await this.#change(at, head, volume, deadline, (record) => decideDetach(record, node));
  }

  /** Give back what this node took by itself ({@link hold}); what an attach granted stays until that is undone. */
  async release(at: ImageRef, head: ImageHead, volume: string, node: string, deadline: Deadline): Promise<void> {
    await this.#change(at, head, volume, deadline, (record) => {
      const mine = record?.holders.find((one) => one.node === node);
      return mine?.by === 'node' ? decideDetach(record, node) : 'keep';
    });
  }

  async #change(
    at: ImageRef,
    seen: ImageHead,
    volume: string,
    deadline: Deadline,
    decide: (record: HolderRecord | undefined) => HolderRecord | undefined | 'keep',
  ): Promise<void> {
    let head: ImageHead | undefined = seen;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const present: string | undefined = head.metadata.get(HOLDER_KEY);
      const next = decide(parseHolderRecord(present, volume));
      if (next === 'keep') return;
      const text = next === undefined ? undefined : formatHolderRecord(next);
      if (await this.#rbd.compareAndSet(at, head.id, HOLDER_KEY, present, text, deadline)) return;
      head = await this.#rbd.head(at, deadline);
      if (head === undefined) throw fail('VOLUME_NOT_FOUND', { volume });
    }
    throw fail('RECORD_CONTENDED', { volume, times: ATTEMPTS });
  }
}

/** What this node took itself it may take in another mode as well, as if it had given it back in between. */
function takeAnew(record: HolderRecord | undefined, request: AttachRequest, since: string): HolderRecord | 'keep' {
  const others = decideDetach(record, request.node);
  const decision = decideAttach(others === 'keep' ? record : others, request, since);
  if (decision.kind === 'refused') throw decision.error;
  if (decision.kind === 'held') return 'keep';
  const isSame = record !== undefined && formatHolderRecord(record) === formatHolderRecord(decision.next);
  return isSame ? 'keep' : decision.next;
}
