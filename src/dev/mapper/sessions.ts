/**
 * Sessions with the storage daemon, one at a time. One that went well is kept for a moment: the next operation need not
 * shake hands again, and another process that wants the daemon waits no longer than that.
 */
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { QmpError, type QmpSession } from './qmp.js';
import type { StorageDaemon } from './storage-daemon.js';

const KEPT_MS = 200;
/** From its beginning, ms: other processes come to their turn, however busy this one is. */
const OLDEST_MS = 2_000;

export class Sessions {
  readonly #daemon: Pick<StorageDaemon, 'connect' | 'start'>;
  readonly #prepare: (deadline: Deadline) => Promise<void>;
  #kept: { readonly session: QmpSession; readonly timer: NodeJS.Timeout } | undefined;

  /** @param prepare called before a daemon is started */
  constructor(daemon: Pick<StorageDaemon, 'connect' | 'start'>, prepare: (deadline: Deadline) => Promise<void>) {
    this.#daemon = daemon;
    this.#prepare = prepare;
  }

  /** With the running daemon, undefined where none runs; the caller's to close or {@link keep}. Errors as its own. */
  async connect(deadline: Deadline): Promise<QmpSession | undefined> {
    const kept = this.#take();
    return kept !== undefined && (await isAnswered(kept, deadline)) ? kept : this.#daemon.connect(deadline);
  }

  /** For the next one; the caller has no use for it any more. */
  keep(session: QmpSession): void {
    this.#take()?.close();
    if (performance.now() - session.begunAt > OLDEST_MS) {
      session.close();
      return;
    }
    session.rest();
    const timer = setTimeout(() => this.#take()?.close(), KEPT_MS);
    timer.unref();
    this.#kept = { session, timer };
  }

  /** Run `job` with the daemon to itself, starting it where none runs. Errors of {@link use}. */
  async run<T>(deadline: Deadline, job: (session: QmpSession) => Promise<T>): Promise<T> {
    const session = (await this.connect(deadline)) ?? (await this.#start(deadline));
    return this.use(session, () => job(session));
  }

  /** What the daemon refuses is BERTH_MAPPER_UNAVAILABLE; a session in which anything failed is closed. */
  async use<T>(session: QmpSession, job: () => Promise<T>): Promise<T> {
    try {
      const result = await job();
      this.keep(session);
      return result;
    } catch (error) {
      session.close();
      if (!(error instanceof QmpError)) throw error;
      throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'loop', why: `storage daemon: ${error.message}` }, error);
    }
  }

  async #start(deadline: Deadline): Promise<QmpSession> {
    await this.#prepare(deadline);
    return this.#daemon.start(deadline);
  }

  /** Undefined where none is kept, or it has ended meanwhile. */
  #take(): QmpSession | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    clearTimeout(kept?.timer);
    if (kept?.session.hasEnded !== false) return undefined;
    kept.session.wake();
    return kept.session;
  }
}

/** A daemon that was killed may be gone before its sockets are closed. DEADLINE. */
async function isAnswered(session: QmpSession, deadline: Deadline): Promise<boolean> {
  try {
    await session.execute('query-version', {}, deadline);
    return true;
  } catch (error) {
    session.close();
    if (error instanceof QmpError) return false;
    throw error;
  }
}
