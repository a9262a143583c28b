/**
 * This node's part in the holder records of volumes: it takes a record before it maps, says in it by which clients it
 * mapped, and gives it back when it has unmapped. Every change is a compare-and-set in Ceph.
 */
import type { Right } from '../../attachment/decide-take.js';
import { isClusterSilent } from '../../rbd/cluster-silence.js';
import type { ClientInstance } from '../../attachment/holder-record.js';
import type { HolderRecords } from '../../attachment/holder-records.js';
import type { Installation, NodeIdentity } from '../../attachment/node-identity.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { AccessMode } from '../../model/capability.js';
import { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import { parseVolumeId } from '../../model/volume-id.js';
import type { Logger } from '../../observe/log.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { ImageHead, RbdPort } from '../../rbd/port.js';
import { locate, type FoundVolume } from '../image/find-volume.js';

/** How long the holder record may take to be given back, in ms: an unstage does not wait for a cluster that is down. */
const GIVE_BACK_MS = 5_000;

/** Which node this is, and which of its boots: whatever is mapped ends with the boot. */
export interface ThisNode {
  /** Its id is what ControllerPublish will name it by. */
  readonly self: NodeIdentity;
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
}

interface Unmapped extends Pick<FoundVolume, 'at' | 'volume'> {
  readonly imageId: string | undefined;
}

interface SeenRecord extends Pick<FoundVolume, 'at'> {
  /** Undefined where the image is gone. */
  readonly head: ImageHead | undefined;
}

/** What {@link NodeHolderRecords.lookAhead} has seen, or sees within the deadline. */
export type LookAhead = (deadline: Deadline) => Promise<SeenRecord | undefined>;

export interface GiveBackOptions {
  /** Called where it is the cluster that does not answer. */
  readonly silent?: (() => void) | undefined;
  /** Begun before; without it the record is looked at now. */
  readonly look?: LookAhead | undefined;
}

export interface NodeHolderRecordsParts extends ThisNode {
  readonly clusters: Clusters;
  readonly rbd: Pick<RbdPort, 'head' | 'headById'>;
  readonly records: Pick<HolderRecords, 'takeForNode' | 'recordStaged' | 'release'>;
  readonly installation: Pick<Installation, 'known'>;
  readonly log: Logger;
}

export class NodeHolderRecords {
  readonly #parts: NodeHolderRecordsParts;

  constructor(parts: NodeHolderRecordsParts) {
    this.#parts = parts;
  }

  /**
   * The attach normally granted the volume, and the record says from now on that this node is at it; where nobody
   * attaches, the node takes it, under the same compare-and-set. To be called before the map: a detach that comes later
   * sees it, one that came first is seen. Answers the head with the record as it is now. BERTH_VOLUME_HELD,
   * BERTH_PUBLISHED_OTHERWISE, BERTH_BEYOND_ATTACH, BERTH_RECORD_CONTENDED, BERTH_INSTALLATION_UNKNOWN, and
   * BERTH_GRANT_OUTDATED where an attacher rules and the record is not this attach's.
   */
  async take(
    { at, head, volume }: Pick<FoundVolume, 'at' | 'head' | 'volume'>,
    asked: { readonly mode: AccessMode; readonly access: 'block' | 'mount'; readonly readOnly: boolean },
    right: Right,
    deadline: Deadline,
  ): Promise<ImageHead> {
    const { self: node, bootId, records, installation } = this.#parts;
    // A record that does not say whose node it means would be taken for any installation's.
    await installation.known(deadline);
    const { mode, access, readOnly } = asked;
    const request = { volume, node, bootId, mode, access, readOnly, by: 'node', right } as const;
    return records.takeForNode(at, head, request, deadline);
  }

  /**
   * The volume is mapped by these clients (none where they could not be told) and not written to yet. Answers the head
   * with the record as it is now. BERTH_RECORD_LOST where the record is not this boot's any more.
   */
  recordStaged(
    { at, head, volume }: Pick<FoundVolume, 'at' | 'head' | 'volume'>,
    clients: readonly ClientInstance[],
    deadline: Deadline,
  ): Promise<ImageHead> {
    const { self: node, bootId, records } = this.#parts;
    return records.recordStaged(at, head, { volume, node, bootId, clients }, deadline);
  }

  /**
   * The volume is unmapped. Reads the record again: what was found is from before it was taken. Errors of Ceph.
   * @param unmapped `imageId` is of the image that was mapped, whatever its name leads to now; undefined where only the
   *   name is known
   */
  async release(unmapped: Unmapped, deadline: Deadline): Promise<void> {
    await this.#releaseSeen(unmapped, await this.#head(unmapped, deadline), deadline);
  }

  /**
   * Look at the record that is to be given back while the volume is still being unmapped; for {@link giveBack}. What is
   * written then compares it with what it is by that time. Looks once more where the first look has failed by then: a
   * long unmap outlasts many a failure.
   */
  lookAhead(entry: Pick<JournalEntry, 'volume' | 'imageId'>): LookAhead {
    let hasFailed = false;
    const looking = this.#look(entry, Deadline.after(GIVE_BACK_MS));
    looking.catch(() => {
      hasFailed = true;
    });
    return (deadline) => (hasFailed ? this.#look(entry, deadline) : looking);
  }

  /**
   * As {@link release}, for a caller that goes on without it: within {@link GIVE_BACK_MS}, and never an error. False
   * where the cluster could not be asked, or clusters.yaml does not list the volume's place now: an edit may have left
   * it out by mistake, and nobody would give the record back after it is mended. A volume that is gone has no record.
   */
  async giveBack(
    entry: Pick<JournalEntry, 'volume' | 'imageId'>,
    { silent = () => undefined, look = (deadline) => this.#look(entry, deadline) }: GiveBackOptions = {},
  ): Promise<boolean> {
    const { log } = this.#parts;
    const { volume } = entry;
    const deadline = Deadline.after(GIVE_BACK_MS);
    try {
      const seen = await look(deadline);
      if (seen !== undefined) {
        await this.#releaseSeen({ at: seen.at, volume }, seen.head, deadline);
        return true;
      }
      if (parseVolumeId(volume) === undefined) return true;
      log.warn(
        { volume },
        'clusters.yaml does not list the place of this volume, so its holder record cannot be given back yet',
      );
      return false;
    } catch (error) {
      // The user of this attach went behind the record: there is nothing left to give back.
      if (isBerthError(error, 'BERTH_GRANT_OUTDATED')) return true;
      if (isClusterSilent(error)) silent();
      log.warn({ volume, err: error }, 'the holder record could not be given back yet; it will be tried again');
      return false;
    }
  }

  /** Undefined where the clusters file does not list the volume's place. */
  async #look(
    { volume, imageId }: Pick<JournalEntry, 'volume' | 'imageId'>,
    deadline: Deadline,
  ): Promise<SeenRecord | undefined> {
    const place = await locate(this.#parts.clusters, volume, 'node', undefined);
    if (place === undefined) return undefined;
    return { at: place.at, head: await this.#head({ at: place.at, imageId }, deadline) };
  }

  #head({ at, imageId }: Pick<Unmapped, 'at' | 'imageId'>, deadline: Deadline): Promise<ImageHead | undefined> {
    const { rbd } = this.#parts;
    return imageId === undefined ? rbd.head(at, deadline) : rbd.headById(at, imageId, deadline);
  }

  async #releaseSeen(
    { at, volume }: Pick<Unmapped, 'at' | 'volume'>,
    head: ImageHead | undefined,
    deadline: Deadline,
  ): Promise<void> {
    const { self, records } = this.#parts;
    if (head !== undefined) await records.release(at, head, volume, self, deadline);
  }
}
