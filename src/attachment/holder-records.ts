/** The holder record in the image, changed only by compare-and-set: of two controllers that race, exactly one wins. */
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { ImageHead, ImageRef, RbdPort } from '../rbd/port.js';
import { decideAttach, withoutHolder, type AttachRequest } from './decide-attach.js';
import { decideTake, type TakeRequest } from './decide-take.js';
import { exchangeRecord, type DecideEntry, type RecordToChange } from './exchange/exchange-record.js';
import {
  isClaim,
  readHolderRecord,
  unlessClaimed,
  type ClientInstance,
  type Holder,
  type HolderEntry,
  type HolderRecord,
  type HolderState,
} from './holder-record.js';
import { identityOf, isSameNode, recordedNode, type NodeIdentity } from './node-identity.js';
import { RecordQueue } from './exchange/record-queue.js';

export interface StagedBy {
  readonly volume: string;
  readonly node: NodeIdentity;
  readonly bootId: string;
  /** Empty where they could not be told. */
  readonly clients: readonly ClientInstance[];
}

export class HolderRecords {
  readonly #rbd: RbdPort;
  readonly #now: () => Date;
  readonly #queue = new RecordQueue();

  constructor(rbd: RbdPort, now: () => Date = () => new Date()) {
    this.#rbd = rbd;
    this.#now = now;
  }

  /**
   * As {@link attach}, for a node that sets out to map: what the attach granted this node is enough, and no more than
   * that may be used (BERTH_BEYOND_ATTACH). Where an attacher rules, nothing else will do (BERTH_GRANT_OUTDATED). The
   * record says `staging` then, whatever it said before: a detach that came in between is seen by both. Answers the
   * head with the record as it is now.
   */
  async takeForNode(at: ImageRef, head: ImageHead, request: TakeRequest, deadline: Deadline): Promise<ImageHead> {
    return this.#take(at, head, request.volume, deadline, (record) => {
      const mine = holderIn(record, request.node);
      const decision = decideTake(record, request, this.#now().toISOString());
      if (decision.kind === 'refused') throw decision.error;
      return withMine(decision.next, request.node, (holder) => ({
        ...withoutState(holder, request.node),
        // A mapping of this boot may still be there, and be found by the map.
        ...(mine?.state !== 'released' && mine?.bootId === request.bootId && mine.clients !== undefined
          ? { clients: mine.clients }
          : {}),
        ...this.#mark('staging', request.bootId),
      }));
    });
  }

  /**
   * Mapped, by these clients, and not written to yet: what a fence will be aimed at. BERTH_RECORD_LOST where the record
   * is not this boot's any more, or not of the attach that `head` has.
   */
  async recordStaged(at: ImageRef, head: ImageHead, staged: StagedBy, deadline: Deadline): Promise<ImageHead> {
    const { volume, node, bootId, clients } = staged;
    const taken = holderIn(readHolderRecord(head, volume), node);
    return this.#change(at, head, volume, deadline, (record) => {
      const mine = holderIn(record, node);
      const isBegun = mine?.state === 'staging' || mine?.state === 'staged';
      const isOurs = isBegun && mine.bootId === bootId && mine.grant === taken?.grant;
      if (record === undefined || !isOurs) throw berthError('BERTH_RECORD_LOST', { volume, node: node.node });
      const known = clients.length === 0 ? {} : { clients };
      return withMine(record, node, (holder) => ({
        ...withoutState(holder, node),
        ...known,
        ...this.#mark('staged', bootId),
      }));
    });
  }

  #mark(state: HolderState, bootId: string): Pick<Holder, 'state' | 'at' | 'bootId'> {
    return { state, at: this.#now().toISOString(), bootId };
  }

  /**
   * Grant the volume to a node, and answer by which grant it has it: an earlier one where it has it already, undefined
   * where that is an earlier Berth's. BERTH_VOLUME_HELD, BERTH_PUBLISHED_OTHERWISE or BERTH_VOLUME_DELETING where that
   * may not be, BERTH_RECORD_CONTENDED after too many lost races.
   */
  async attach(at: ImageRef, head: ImageHead, request: AttachRequest, deadline: Deadline): Promise<string | undefined> {
    const { volume, node } = request;
    const granted = await this.#take(at, head, volume, deadline, (record) => {
      const decision = decideAttach(record, request, this.#now().toISOString());
      if (decision.kind === 'refused') throw decision.error;
      return decision.kind === 'held' ? 'keep' : decision.next;
    });
    return holderIn(readHolderRecord(granted, volume), node)?.grant;
  }

  /**
   * The node has unmapped it: give back what it took by itself ({@link takeForNode}); what an attach granted stays
   * until that is undone, and says `released`.
   */
  async release(at: ImageRef, head: ImageHead, volume: string, node: NodeIdentity, deadline: Deadline): Promise<void> {
    await this.#change(at, head, volume, deadline, (record) => {
      const mine = record?.holders.find((one) => isSameNode(one, node));
      if (record === undefined || mine === undefined) return 'keep';
      if (mine.state === 'released' || mine.state === 'granted') return 'keep';
      if (mine.by === 'node') return withoutHolder(record, node);
      return withMine(record, node, (holder) => ({
        ...withoutState(holder, node),
        // Whom Ceph may not have forgotten yet where the device lost its daemon: the next stage knows them for its own.
        ...(holder.clients === undefined ? {} : { clients: holder.clients }),
        state: 'released',
        at: this.#now().toISOString(),
      }));
    });
  }

  /**
   * Take the volume from these nodes while they are as they were when that was decided; false where one of them is not,
   * so that it has to be decided anew.
   */
  async detach(
    at: ImageRef,
    head: ImageHead,
    volume: string,
    gone: readonly Holder[],
    deadline: Deadline,
  ): Promise<boolean> {
    let isSame = true;
    await this.#change(at, head, volume, deadline, (record) => {
      const decidedOf = (one: Holder): Holder | undefined => gone.find((other) => isSameNode(one, identityOf(other)));
      const present = record?.holders.filter((one) => decidedOf(one) !== undefined) ?? [];
      isSame = present.every((one) => JSON.stringify(decidedOf(one)) === JSON.stringify(one));
      const [first, ...rest] = record?.holders.filter((one) => decidedOf(one) === undefined) ?? [];
      if (record === undefined || !isSame || present.length === 0) return 'keep';
      return first === undefined ? undefined : { ...record, holders: [first, ...rest] };
    });
    return isSame;
  }

  /**
   * Write down that somebody wants the volume from this holder, which has not let go: its node sees it there. Nothing
   * where the holder is not as it was decided, or has it written down already.
   */
  async wantDetach(at: ImageRef, head: ImageHead, volume: string, decided: Holder, deadline: Deadline): Promise<void> {
    const text = JSON.stringify(decided);
    await this.#change(at, head, volume, deadline, (record) => {
      const present = record?.holders.find((one) => JSON.stringify(one) === text);
      if (record === undefined || present === undefined || present.detachWanted !== undefined) return 'keep';
      const detachWanted = this.#now().toISOString();
      return withMine(record, identityOf(present), (holder) => ({ ...holder, detachWanted }));
    });
  }

  /** While a delete has claimed the volume, `decide` sees no record: there is nobody to take out then. */
  #change(at: ImageRef, head: ImageHead, volume: string, deadline: Deadline, decide: Decide): Promise<ImageHead> {
    const present = (entry: HolderEntry | undefined) => decide(isClaim(entry) ? undefined : entry);
    return this.#exchange({ at, head, volume }, present, deadline);
  }

  /** As #change, for whoever is to hold the volume. BERTH_VOLUME_DELETING. */
  #take(at: ImageRef, head: ImageHead, volume: string, deadline: Deadline, decide: Decide): Promise<ImageHead> {
    const present = (entry: HolderEntry | undefined) => decide(unlessClaimed(entry, volume));
    return this.#exchange({ at, head, volume }, present, deadline);
  }

  #exchange(record: RecordToChange, decide: DecideEntry, deadline: Deadline): Promise<ImageHead> {
    return this.#queue.change(record, (one) => exchangeRecord(this.#rbd, one, decide, deadline), deadline);
  }
}

type Decide = (record: HolderRecord | undefined) => HolderRecord | undefined | 'keep';

/** A record that did not say which installation's node and which machine it means does so from now on. */
function withoutState(holder: Holder, node: NodeIdentity): Holder {
  const { since, by, grant, uid } = holder;
  const named = grant === undefined ? {} : { grant };
  return { ...recordedNode(node, holder), since, by, ...named, ...(uid === undefined ? {} : { uid }) };
}

const holderIn = (record: HolderRecord | undefined, node: NodeIdentity): Holder | undefined =>
  record?.holders.find((one) => isSameNode(one, node));

function withMine(record: HolderRecord, node: NodeIdentity, change: (mine: Holder) => Holder): HolderRecord {
  const [first, ...rest] = record.holders;
  const one = (holder: Holder): Holder => (isSameNode(holder, node) ? change(holder) : holder);
  return { ...record, holders: [one(first), ...rest.map(one)] };
}
