/**
 * Brings journal, kernel and kubelet's directories back together, at start and then slowly; its reports are there for
 * whoever asks.
 */
import { Deadline } from '../model/deadline.js';
import { Rounds } from '../model/rounds.js';
import { takeDownRevoked } from '../volume/node/recovery/revoked-volumes.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import { carryOut } from './act.js';
import { decide } from './decide-round.js';
import type { Report } from './decision.js';
import { Gatherer, type GatherOptions } from './gather-node.js';

export interface ReconcilerOptions extends GatherOptions {
  /** From the end of a round to the next, in ms, give or take {@link JITTER}. */
  readonly everyMs: number;
}

/** What one reading may take, in ms. */
const GATHER_MS = 30_000;
/**
 * One act may lay bare the next (an unstage that is completed leaves a record to give back): looked at again at once,
 * this often.
 */
const PASSES = 3;
/** Of the pause: nodes that were started together do not stay together. */
const JITTER = 0.1;
/** How long a stop waits for the act that runs, in ms. */
const STOP_MS = 5_000;

export interface Summary {
  readonly volumes: number;
  readonly mappings: number;
  readonly mounts: number;
  readonly kubelet: number;
  readonly done: number;
  readonly failed: number;
  readonly reports: number;
  readonly ms: number;
}

export class NodeReconciler {
  readonly #room: NodeRoom;
  readonly #options: ReconcilerOptions;
  readonly #gatherer: Gatherer;
  readonly #rounds: Rounds;
  #reports: readonly Report[] = [];

  constructor(room: NodeRoom, options: ReconcilerOptions) {
    this.#room = room;
    this.#options = options;
    this.#gatherer = new Gatherer(room, options);
    this.#rounds = new Rounds(() => this.#tellRound(), { everyMs: options.everyMs, jitter: JITTER, stopMs: STOP_MS });
  }

  /** What the last round found and did not, or could not, put right. */
  reports(): readonly Report[] {
    return this.#reports;
  }

  /** Begin the rounds; nobody waits for the first. */
  start(): void {
    this.#rounds.start();
  }

  /** No further act begins; resolves when the running one has ended, at the latest after {@link STOP_MS}. */
  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** One round; throws what kept it from looking. */
  async round(): Promise<Summary> {
    const started = performance.now();
    const lost = await takeDownRevoked(this.#room, () => this.#rounds.stopped);
    let { done } = lost;
    for (let pass = 1; ; pass += 1) {
      const facts = await this.#gatherer.gather(Deadline.after(GATHER_MS));
      const { acts, reports } = decide(facts);
      const result = await carryOut(
        this.#room,
        acts,
        { facts, driver: this.#options.driver },
        () => this.#rounds.stopped,
      );
      done += result.done;
      if (result.done > 0 && pass < PASSES && !this.#rounds.stopped) continue;
      this.#tell([...lost.reports, ...reports, ...result.reports]);
      const { entries, mappings, mounts, kubelet } = facts;
      return {
        ...{ volumes: entries.length, mappings: mappings.length, mounts: mounts.length },
        ...{ kubelet: kubelet.volumes.length, done, failed: result.failed, reports: this.#reports.length },
        ms: Math.round(performance.now() - started),
      };
    }
  }

  /** Each report is logged once, when it comes, and once when it has gone. */
  #tell(next: readonly Report[]): void {
    const had = new Set(this.#reports.map(keyOf));
    const has = new Set(next.map(keyOf));
    for (const report of next) {
      if (had.has(keyOf(report))) continue;
      const line = 'reconciliation found something that it leaves alone';
      // What belongs to others is worth a line, but no alarm.
      if (report.kind === 'foreign') this.#room.log.info(report, line);
      else this.#room.log.warn(report, line);
    }
    for (const { subject, what } of this.#reports.filter((one) => !has.has(keyOf(one)))) {
      this.#room.log.info({ subject, what }, 'not found by reconciliation any more');
    }
    this.#reports = next;
  }

  async #tellRound(): Promise<void> {
    try {
      this.#room.log.info(await this.round(), 'reconciliation round');
    } catch (error) {
      this.#room.log.warn({ err: error }, 'a round of reconciliation could not be made');
    }
  }
}

const keyOf = ({ subject, kind, what }: Report): string => JSON.stringify([subject, kind, what]);
