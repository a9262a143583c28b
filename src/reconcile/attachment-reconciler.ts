/**
 * Compares the API's attachments with the images' own records, says what is stuck and why, and completes a detach that
 * can be proved.
 */
import type { ApiAttachment, Attachments } from '../kube/volume-attachments.js';
import type { Note } from '../kube/events.js';
import { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import { Rounds } from '../model/rounds.js';
import { workThrough } from '../model/settle-all.js';
import type { Logger } from '../observe/log.js';
import { judge, type Measure } from '../diagnosis/attachment/decide-attachment.js';
import type { AttachmentFinding } from '../diagnosis/attachment/attachment-facts.js';
import { factsOf, factsOfHolder, type ImageStates } from '../diagnosis/attachment/gather-attachment.js';
import { skipSilent } from '../diagnosis/attachment/skip-silent.js';
import { findUnattached } from '../diagnosis/attachment/unattached-holders.js';
import { changesBetween } from './changes.js';

export interface AttachmentTimes {
  /** Between two rounds, in ms. */
  readonly everyMs: number;
  /** How long the attacher is left to do it, in ms. */
  readonly ageMs: number;
}

export interface AttachmentParts {
  readonly api: Pick<
    Attachments,
    'driver' | 'isFresh' | 'all' | 'list' | 'read' | 'nodeOf' | 'podsOf' | 'readVolume' | 'volumeNamed' | 'volumeOf'
  >;
  readonly ceph: ImageStates;
  /** What ControllerUnpublish does: it succeeds only where the node provably cannot write any more. */
  readonly detach: (volume: string, node: string, deadline: Deadline, unasked: boolean) => Promise<void>;
  readonly announce: (note: Note) => void;
  /** Told each finding when it comes, and each detach that was completed, by its reason: for a counter. */
  readonly count?: (reason: string) => void;
  readonly log: Logger;
  readonly now: () => Date;
}

export interface AttachmentSummary {
  readonly attachments: number;
  readonly stuck: number;
  readonly detached: number;
  readonly ms: number;
}

/** How long the reading of one attachment, and one detach, may take, in ms. */
const READ_MS = 30_000;
const DETACH_MS = 60_000;
/** Attachments that are read at the same time. */
const WIDTH = 8;
/** All records are read in every sixth round only: the attacher itself compares them every minute anyway. */
const SCAN_EVERY = 6;
const JITTER = 0.1;
const STOP_MS = 5_000;

/**
 * Two controllers may run it at once: what it does is a compare-and-set on the image, an Event has one name whoever
 * writes it, and no object of the API is changed. Hence no leader.
 */
export class AttachmentReconciler {
  readonly #parts: AttachmentParts;
  readonly #times: AttachmentTimes;
  #findings: readonly AttachmentFinding[] = [];
  /** What the last scan found in Ceph and not in the API. Acted on only where the next scan finds the same. */
  #inCephOnly: readonly AttachmentFinding[] = [];
  #made = 0;
  readonly #rounds: Rounds;

  constructor(parts: AttachmentParts, times: AttachmentTimes) {
    this.#parts = parts;
    this.#times = times;
    this.#rounds = new Rounds(() => this.#tellRound(), { everyMs: times.everyMs, jitter: JITTER, stopMs: STOP_MS });
  }

  /** What the last round found. */
  findings(): readonly AttachmentFinding[] {
    return this.#findings;
  }

  start(): void {
    this.#rounds.start();
  }

  /** No further detach begins; resolves when the running one has ended, at the latest after {@link STOP_MS}. */
  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** Undefined where the API's state is not known for sure: nothing is decided by old news. */
  async round(): Promise<AttachmentSummary | undefined> {
    const started = performance.now();
    const { api } = this.#parts;
    if (!(await api.isFresh(Deadline.after(READ_MS)))) return undefined;
    const all = api.all();
    const found: AttachmentFinding[] = [];
    const ceph = skipSilent(this.#parts.ceph);
    const inspect = async (one: ApiAttachment): Promise<void> => {
      const finding = await this.#inspect(one, ceph);
      if (finding !== undefined) found.push(finding);
    };
    await workThrough(all, WIDTH, inspect, () => this.#rounds.stopped);
    if (this.#made % SCAN_EVERY === 0) found.push(...(await this.#scan(ceph)));
    else found.push(...this.#inCephOnly.map((one): AttachmentFinding => ({ ...one, act: 'none' })));
    this.#made += 1;
    await this.#tell(found);
    let detached = 0;
    for (const one of found) if (!this.#rounds.stopped && (await this.#act(one))) detached += 1;
    return { attachments: all.length, stuck: found.length, detached, ms: Math.round(performance.now() - started) };
  }

  #measure(): Measure {
    return { now: this.#parts.now().toISOString(), ageMs: this.#times.ageMs, driver: this.#parts.api.driver };
  }

  /**
   * An attachment that is well costs one read of the image's head. All the rest is read only where something is wrong.
   */
  async #inspect(attachment: ApiAttachment, ceph: ImageStates): Promise<AttachmentFinding | undefined> {
    const { api, log } = this.#parts;
    const since = attachment.deletingSince ?? attachment.since;
    if (since === undefined) return undefined;
    if (this.#parts.now().getTime() - Date.parse(since) < this.#times.ageMs) return undefined;
    const deadline = Deadline.after(READ_MS);
    try {
      if (
        attachment.deletingSince === undefined &&
        attachment.attached &&
        (await this.#isRecorded(attachment, ceph, deadline))
      ) {
        return undefined;
      }
      // The watch may be a moment behind, so the API is asked again before an attachment is called stuck.
      const present = await api.read(attachment.name, deadline);
      if (present?.uid !== attachment.uid) return undefined;
      return judge(await factsOf(api, ceph, present, deadline), this.#measure());
    } catch (error) {
      log.warn({ attachment: attachment.name, err: error }, 'an attachment could not be looked at');
      return undefined;
    }
  }

  async #isRecorded(
    { pv, inlineHandle, nodeId, node }: ApiAttachment,
    ceph: ImageStates,
    deadline: Deadline,
  ): Promise<boolean> {
    const volume = inlineHandle ?? (pv === undefined ? undefined : this.#parts.api.volumeNamed(pv)?.handle);
    if (volume === undefined) return false;
    // A cluster that does not answer is the readiness's concern: it says nothing about this attachment.
    const record = await ceph.readHolders(volume, false, deadline).catch(() => undefined);
    if (record === undefined) return true;
    return record !== 'absent' && record.holders.some((one) => one.node === (nodeId ?? node));
  }

  /** Finds holders that the API does not know. They are acted on only where the scan before found the same. */
  async #scan(ceph: ImageStates): Promise<readonly AttachmentFinding[]> {
    const { api, log } = this.#parts;
    const deadline = Deadline.after(READ_MS * 4);
    try {
      const unattached = await findUnattached(api, ceph, deadline, () => undefined);
      const found = unattached.flatMap((one) => judge(one, this.#measure()) ?? []);
      const before = new Set(this.#inCephOnly.map(keyOf));
      this.#inCephOnly = found;
      return found.map((one): AttachmentFinding => (before.has(keyOf(one)) ? one : { ...one, act: 'none' }));
    } catch (error) {
      log.warn({ err: error }, 'the holders of all volumes could not be compared with the API');
      this.#inCephOnly = [];
      return [];
    }
  }

  /** True where a detach was completed. */
  async #act(finding: AttachmentFinding): Promise<boolean> {
    const { act, volume, nodeId, nodeName, attachment } = finding;
    if (act !== 'detach' || volume === undefined) return false;
    const { detach, announce, log } = this.#parts;
    const about = { volume, node: nodeName };
    try {
      if (!(await this.#isStillSo(finding, volume))) return false;
      await detach(volume, nodeId, Deadline.after(DETACH_MS), attachment === undefined);
    } catch (error) {
      const isRefused = isBerthError(error, 'BERTH_DETACH_UNPROVEN', 'BERTH_BUSY');
      log[isRefused ? 'info' : 'warn']({ ...about, err: error }, 'a stuck detach could not be completed');
      return false;
    }
    this.#inCephOnly = this.#inCephOnly.filter((one) => keyOf(one) !== keyOf(finding));
    const message = `detached ${volume} from ${nodeName}: nobody there can write to it any more`;
    log.info({ ...about, attachment: attachment?.name }, message);
    announce({ kind: 'Normal', reason: 'DetachCompleted', message, about });
    this.#parts.count?.('DetachCompleted');
    return true;
  }

  /** What the last round found, by reason. */
  found(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { reason } of this.#findings) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    return counts;
  }

  /**
   * Read once more: the attachment of before may have ended, and the node may have been granted the volume anew.
   */
  async #isStillSo({ attachment, nodeId }: AttachmentFinding, volume: string): Promise<boolean> {
    const { api, ceph } = this.#parts;
    const deadline = Deadline.after(READ_MS);
    if (attachment === undefined) {
      const facts = await factsOfHolder(api, ceph, { volume, nodeId }, deadline);
      return judge(facts, this.#measure())?.act === 'detach';
    }
    const present = await api.read(attachment.name, deadline);
    if (present?.uid !== attachment.uid) return false;
    return judge(await factsOf(api, ceph, present, deadline), this.#measure())?.act === 'detach';
  }

  /**
   * Each finding is logged when it comes and when it has gone,
   * and announced as long as it stays; Events themselves are seldom.
   */
  async #tell(next: readonly AttachmentFinding[]): Promise<void> {
    const { log, announce } = this.#parts;
    const { came, gone } = changesBetween(this.#findings, next, keyOf);
    this.#findings = next;
    await workThrough(came, 1, ({ reason, says, volume, nodeName, attachment }) => {
      log.warn({ reason, attachment: attachment?.name, volume, node: nodeName }, says);
      this.#parts.count?.(reason);
    });
    await workThrough(next, 1, ({ reason, says, volume, nodeName, attachment }) => {
      const of = attachment === undefined ? {} : { attachment: { name: attachment.name, uid: attachment.uid } };
      const about = { ...(volume === undefined ? {} : { volume }), node: nodeName, ...of };
      announce({ kind: 'Warning', reason, message: says, about });
    });
    await workThrough(gone, 1, ({ reason, attachment, volume }) => {
      log.info({ reason, attachment: attachment?.name, volume }, 'an attachment is not stuck by this any more');
    });
  }

  async #tellRound(): Promise<void> {
    try {
      const summary = await this.round();
      if (summary === undefined)
        this.#parts.log.warn('attachments are not compared: the Kubernetes API does not answer');
      else this.#parts.log.info(summary, 'attachments compared');
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'attachments could not be compared');
    }
  }
}

const keyOf = ({ reason, volume, nodeName, attachment }: AttachmentFinding): string =>
  JSON.stringify([reason, attachment?.uid, volume, nodeName]);
