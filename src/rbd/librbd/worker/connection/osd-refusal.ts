/**
 * A user without any caps for OSDs: from Ceph 18 on they do not answer him, and a client tries again for ever. Only its
 * messenger's log says why, so that is read for a moment where no OSD has answered a connection yet.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Set an option of the connection's client; takes effect at once. */
type Configure = (option: string, value: string) => void;

/** Then the pid of the process that listens. */
const PREFIX = 'berth-ceph-';
/** How long an OSD may take with its first answer before the log is read, ms. */
const PATIENCE_MS = 2_000;
/** A refused client comes again after 0.2, 0.4, 0.8 ... s: two attempts at least fall into this time, ms. */
const LISTEN_MS = 10_000;
const POLL_MS = 200;
/** The messenger of version 2, the same in Ceph 16, 18 and 20; monitors refuse at the connect, which ends before. */
const REFUSED = /handle_auth_bad_method .*result \(13\)/;

export class OsdRefusal {
  readonly #configure: Configure;
  readonly #patienceMs: number;
  #isServed = false;
  #listening: Promise<boolean> | undefined;

  constructor(configure: Configure, patienceMs = PATIENCE_MS) {
    this.#configure = configure;
    this.#patienceMs = patienceMs;
  }

  /** An OSD has answered this connection, if only to say no: nothing is listened for any more. */
  served(): void {
    this.#isServed = true;
  }

  /**
   * Does an OSD refuse this client while `work` waits for its answer? Answers true at once when that is seen, and false
   * when the work has ended or nothing of it was heard.
   */
  async isRefused(work: Promise<unknown>): Promise<boolean> {
    if (this.#isServed) return false;
    const done = work.then(
      () => 'done' as const,
      () => 'done' as const,
    );
    const waited = new AbortController();
    const patience = sleep(this.#patienceMs, 'late' as const, { signal: waited.signal }).catch(() => 'done' as const);
    const first = await Promise.race([done, patience]);
    waited.abort();
    if (first === 'done') return false;
    this.#listening ??= this.#listen().finally(() => {
      this.#listening = undefined;
    });
    return (await Promise.race([done, this.#listening])) === true;
  }

  /** False as well where there is no place for a file: then the client's own limit ends the wait. */
  async #listen(): Promise<boolean> {
    const directory = await privateDirectory();
    if (directory === undefined) return false;
    const file = path.join(directory, 'log');
    try {
      this.#log({ log_file: file, log_to_file: 'true', debug_ms: '1' });
      const end = Date.now() + LISTEN_MS;
      while (Date.now() < end && !this.#isServed) {
        if (REFUSED.test(await readFile(file, 'utf8').catch(() => ''))) return true;
        await sleep(POLL_MS);
      }
      return false;
    } finally {
      this.#log({ debug_ms: '0', log_to_file: 'false', log_file: '' });
      await rm(directory, { recursive: true, force: true });
    }
  }

  #log(options: Readonly<Record<string, string>>): void {
    for (const [option, value] of Object.entries(options)) this.#configure(option, value);
  }
}

/** A container's root may be read-only; /dev/shm is memory, and there everywhere. */
async function privateDirectory(): Promise<string | undefined> {
  for (const place of ['/dev/shm', os.tmpdir()]) {
    await removeAbandoned(place);
    const directory = await mkdtemp(path.join(place, `${PREFIX}${process.pid}-`)).catch(() => undefined);
    if (directory !== undefined) return directory;
  }
  return undefined;
}

/** Those of workers that were killed while they listened: each would keep its memory for ever. */
async function removeAbandoned(place: string): Promise<void> {
  const names = await readdir(place).catch(() => []);
  const abandoned = names.filter(
    (name) => name.startsWith(PREFIX) && isDead(Number.parseInt(name.slice(PREFIX.length), 10)),
  );
  await Promise.all(
    abandoned.map((name) => rm(path.join(place, name), { recursive: true, force: true }).catch(() => undefined)),
  );
}

/** False as well for what is no pid. */
function isDead(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
