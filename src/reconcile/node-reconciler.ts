/**
 * Compares journal, kernel and kubelet's directories and puts right what it may, at start and then slowly. Its reports
 * are there for whoever asks.
 */
import { Deadline } from '../model/deadline.js';
import { Rounds } from '../model/rounds.js';
import type { Logger } from '../observe/log.js';
import type { RevokedRound } from '../volume/node/recovery/revoked-volumes.js';
import { carryOut, type RecoveryActs } from './act.js';
import { decide } from './decide-round.js';
import type { NodeReport } from './decision.js';
import type { NodeFacts } from './node-facts.js';
import { changesBetween } from './changes.js';

export interface ReconcilerOptions {
  /** Our name in the kubelet's data files. */
  readonly driver: string;
  /** From the end of a round to the next, in ms, give or take {@link JITTER}. */
  readonly everyMs: number;
}

/** What one reading may take, in ms. */
const GATHER_MS = 30_000;
/**
 * How often a round reads again at once after it acted. One act may uncover the next: an unstage that is completed
 * leaves a record to give back.
 */
const PASSES = 3;
/** Share of the pause that varies by chance: nodes that were started at one time do not keep in step. */
const JITTER = 0.1;
/** How long a stop waits for the act that runs, in ms. */
const STOP_MS = 5_000;

export interface ReconcilerParts {
  /** One reading of everything that a round is decided on. */
  readonly gather: (deadline: Deadline) => Promise<NodeFacts>;
  /** Takes down volumes that the records give to other nodes by now, before anything else is compared. */
  readonly takeDownRevoked: (stopped: () => boolean) => Promise<RevokedRound>;
  readonly acts: RecoveryActs;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
}

export interface NodeRound {
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
  readonly #parts: ReconcilerParts;
  readonly #driver: string;
  readonly #rounds: Rounds;
  #reports: readonly NodeReport[] = [];

  constructor(parts: ReconcilerParts, { driver, everyMs }: ReconcilerOptions) {
    this.#parts = parts;
    this.#driver = driver;
    this.#rounds = new Rounds(() => this.#tellRound(), { everyMs, jitter: JITTER, stopMs: STOP_MS });
  }

  /** What the last round found and did not, or could not, put right. */
  reports(): readonly NodeReport[] {
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

  /** One round; throws what kept it from reading. */
  async round(): Promise<NodeRound> {
    const started = performance.now();
    const { gather, takeDownRevoked } = this.#parts;
    const stopped = (): boolean => this.#rounds.stopped;
    const revoked = await takeDownRevoked(stopped);
    let { done } = revoked;
    for (let pass = 1; ; pass += 1) {
      const facts = await gather(Deadline.after(GATHER_MS));
      const { acts, reports } = await decide(facts);
      const result = await carryOut(this.#parts, acts, { facts, driver: this.#driver }, stopped);
      done += result.done;
      if (result.done > 0 && pass < PASSES && !stopped()) continue;
      this.#tell([...revoked.reports, ...reports, ...result.reports]);
      return {
        volumes: facts.entries.length,
        mappings: facts.mappings.length,
        mounts: facts.mounts.length,
        kubelet: facts.kubelet.volumes.length,
        done,
        failed: result.failed,
        reports: this.#reports.length,
        ms: Math.round(performance.now() - started),
      };
    }
  }

  /** Each report is logged once, when it comes, and once when it has gone. */
  #tell(next: readonly NodeReport[]): void {
    const { came, gone } = changesBetween(this.#reports, next, keyOf);
    for (const report of came) {
      const line = 'reconciliation found something that it leaves alone';
      // What belongs to others is worth a line, but no alarm.
      if (report.kind === 'foreign') this.#parts.log.info(report, line);
      else this.#parts.log.warn(report, line);
    }
    for (const { subject, what } of gone) {
      this.#parts.log.info({ subject, what }, 'not found by reconciliation any more');
    }
    this.#reports = next;
  }

  async #tellRound(): Promise<void> {
    try {
      this.#parts.log.info(await this.round(), 'reconciliation round');
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'a round of reconciliation could not be made');
    }
  }
}

const keyOf = ({ subject, kind, what }: NodeReport): string => JSON.stringify([subject, kind, what]);
