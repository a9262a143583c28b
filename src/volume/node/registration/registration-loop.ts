/**
 * Keeps this node in the registry of every cluster: a controller attaches only to nodes that it finds there, and
 * renews a fence no longer when the node has registered without the fenced client.
 */
import { whyAllFailed } from '../../../model/settle-all.js';
import { Deadline } from '../../../model/deadline.js';
import { Rounds } from '../../../model/rounds.js';
import { registerNode, type RegistrationParts } from './register-node.js';

/** How old a registration may grow before it is written again, in ms. */
const REGISTER_EVERY_MS = 30_000;
/** Pause between rounds in ms: short while no cluster has the node, for it serves nobody until then. */
const REGISTERED_PAUSE_MS = 10_000;
const UNREGISTERED_PAUSE_MS = 500;
/** Nodes that were started at one time do not write at one time. */
const JITTER = 0.2;
/** What a round may take, in ms. */
const ROUND_MS = 5_000;
/** How long a stop waits for the round that runs, in ms: half a registration is none, and the next start makes it. */
const STOP_MS = 0;

export class RegistrationLoop {
  readonly #parts: RegistrationParts;
  readonly #rounds: Rounds;
  /** When each cluster was last written, by the monotonic clock. */
  readonly #written = new Map<string, number>();
  #running: Promise<string | undefined> | undefined;
  #why: string | undefined = 'not tried yet';

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
    const everyMs = (): number => (this.#why === undefined ? REGISTERED_PAUSE_MS : UNREGISTERED_PAUSE_MS);
    this.#rounds = new Rounds(() => this.round(), { everyMs, jitter: JITTER, stopMs: STOP_MS });
  }

  /** Begin; nobody waits for the first round. */
  start(): void {
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /**
   * Undefined while one cluster knows the node, else why none does;
   * by the last round, or by the one that runs when it ends.
   */
  async whyNot(): Promise<string | undefined> {
    return this.#running ?? this.#why;
  }

  /** Every cluster whose registration is missing or old, once. Never fails. */
  async round(): Promise<void> {
    this.#running = this.#registerAll();
    this.#why = await this.#running;
    this.#running = undefined;
  }

  async #registerAll(): Promise<string | undefined> {
    const deadline = Deadline.after(ROUND_MS);
    try {
      return await whyAllFailed((await this.#parts.clusters.all()).map(({ id }) => this.#refresh(id, deadline)));
    } catch (error) {
      return error instanceof Error ? error.message : 'failed';
    }
  }

  async #refresh(cluster: string, deadline: Deadline): Promise<void> {
    const last = this.#written.get(cluster);
    if (last !== undefined && performance.now() - last < REGISTER_EVERY_MS) return;
    this.#written.delete(cluster);
    await registerNode(this.#parts, cluster, deadline);
    this.#written.set(cluster, performance.now());
  }
}
