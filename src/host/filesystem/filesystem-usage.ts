/**
 * How full a mounted filesystem is, as df shows it; one that does not answer costs neither its caller nor anybody else.
 */
import { stat, statfs } from 'node:fs/promises';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { withinDeadline } from '../../model/time-limit.js';
import type { Exec } from '../process/exec.js';

export interface Usage {
  readonly total: bigint;
  readonly used: bigint;
  /** For everybody: blocks kept back for root are neither used nor available. */
  readonly available: bigint;
}

export interface FilesystemUsage {
  readonly bytes: Usage;
  readonly inodes: Usage;
}

interface Numbers {
  readonly bsize: bigint;
  readonly blocks: bigint;
  readonly bfree: bigint;
  readonly bavail: bigint;
  readonly files: bigint;
  readonly ffree: bigint;
}

/**
 * How many of libuv's four threads a dead filesystem may block. A call to it cannot be cancelled, and all files and
 * names need these threads.
 */
const THREADS = 2;

/** A question that is older, in ms, will not be answered soon; a younger one is joined. */
const PATIENCE_MS = 1_000;
/** A child that was given up may be there for ever: its filesystem is asked again after this, in ms. */
const REST_MS = 60_000;

interface Question {
  readonly since: number;
  readonly answer: Promise<Numbers>;
}

export class UsageReader {
  readonly #exec: Exec;
  /** Filesystems being asked, by their device's number. */
  readonly #asked = new Map<string, Question>();
  #threads = 0;

  constructor(exec: Exec) {
    this.#exec = exec;
  }

  /**
   * Usage of the filesystem mounted at `path`, whose device is `number`. System call errors as they are,
   * BERTH_COMMAND_FAILED from a child; DEADLINE where it does not answer, at once where an earlier question is not
   * answered yet: it is not asked twice.
   */
  async read(path: string, number: string, deadline: Deadline): Promise<FilesystemUsage> {
    const before = this.#asked.get(number);
    const age = before === undefined ? 0 : performance.now() - before.since;
    if (age > PATIENCE_MS)
      throw berthError('BERTH_DEADLINE', { what: `an earlier statfs of ${path}`, ms: Math.round(age) });
    const { answer } = before ?? this.#ask(path, number, deadline);
    return usageOf(await withinDeadline(answer, `statfs of ${path}`, deadline));
  }

  #ask(path: string, number: string, deadline: Deadline): Question {
    const answer = this.#threads < THREADS ? this.#inThread(path) : this.#inChild(path, deadline);
    const question = { since: performance.now(), answer };
    this.#asked.set(number, question);
    const forget = (): void => void this.#asked.delete(number);
    answer.then(forget, (error: unknown) => {
      if (isBerthError(error, 'BERTH_DEADLINE')) setTimeout(forget, REST_MS).unref();
      else forget();
    });
    return question;
  }

  async #inThread(path: string): Promise<Numbers> {
    this.#threads += 1;
    try {
      const numbers = await statfs(path, { bigint: true });
      // xfs tells its size even after it has shut down; of the file itself it tells EIO then.
      await stat(path);
      return numbers;
    } finally {
      this.#threads -= 1;
    }
  }

  /** Costs a fork, and nothing more when it never ends. */
  async #inChild(path: string, deadline: Deadline): Promise<Numbers> {
    const { stdout } = await this.#exec('stat', ['--file-system', '--format=%S %b %f %a %c %d', '--', path], {
      deadline,
    });
    const [bsize = 0n, blocks = 0n, bfree = 0n, bavail = 0n, files = 0n, ffree = 0n] = stdout.split(' ').map(BigInt);
    return { bsize, blocks, bfree, bavail, files, ffree };
  }
}

function usageOf({ bsize, blocks, bfree, bavail, files, ffree }: Numbers): FilesystemUsage {
  return {
    bytes: { total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
    inodes: { total: files, used: files - ffree, available: ffree },
  };
}
