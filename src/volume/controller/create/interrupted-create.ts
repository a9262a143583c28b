/**
 * Images that have a name and no header:
 * left alone while a client may still be making them, cleared away when none can be.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { ImageRef, RbdPort } from '../../../rbd/port.js';

/**
 * librbd's create writes the name, the directory and the header, in this order, and librados gives up each of them
 * after 30 s (`operationSeconds`): after this long, in ms, none of our creates can be between the two any more.
 */
export const UNDER_WAY_MS = 90_000;
/**
 * How much the clocks of two controllers may differ, in ms. Far more than a cluster bears: its monitors warn of 0.05 s,
 * and its tickets end.
 */
export const SKEW_MS = 30_000;
/**
 * How much longer a copy may lie between its name and its link to what it stands on, in ms: librbd's clone is ten
 * operations until then, each of which may take its 30 s.
 */
export const COPY_UNDER_WAY_MS = 300_000;
/** How many are remembered: of those that nobody asks for again, the oldest are forgotten. */
const MOST = 1_000;

interface FirstSeen {
  readonly id: string;
  readonly at: number;
}

const keyOf = ({ access, pool, namespace, image }: ImageRef): string =>
  [access.cluster, pool, namespace, image].join('/');

/** A copy that is not one yet. */
interface CutShort {
  /** The handle of what it is made from. */
  readonly source: string;
  readonly why: string;
}

export class InterruptedCreates {
  readonly #rbd: Pick<RbdPort, 'interruptedCreate' | 'namedAt' | 'dropDeadEntry' | 'remove'>;
  readonly #log: Logger;
  readonly #seen = new Map<string, FirstSeen>();

  constructor(rbd: Pick<RbdPort, 'interruptedCreate' | 'namedAt' | 'dropDeadEntry' | 'remove'>, log: Logger) {
    this.#rbd = rbd;
    this.#log = log;
  }

  /**
   * Clears away what an interrupted create left of an image that `head` does not know. Afterwards the name is free,
   * unless somebody takes it. BERTH_IMAGE_UNFINISHED where it has a name, for {@link UNDER_WAY_MS} of its age.
   */
  async clear(at: ImageRef, deadline: Deadline): Promise<void> {
    const key = keyOf(at);
    const id = await this.#rbd.interruptedCreate(at, deadline);
    if (id !== undefined && !(await this.#rbd.dropDeadEntry(at, id, deadline))) {
      const age = await this.#age(at, id, SKEW_MS, deadline);
      if (age < UNDER_WAY_MS)
        throw berthError('BERTH_IMAGE_UNFINISHED', { image: at.image, age: Math.round(age / 1000) });
      this.#log.warn({ image: key, id }, 'clearing away an image whose create was cut short before it had a header');
      await this.#rbd.remove(at, deadline);
    }
    this.#seen.delete(key);
  }

  /**
   * Clears away an image that was to stand on `source`, and of which nothing is there but its shape. The caller has
   * seen that nobody has it open. BERTH_COPY_UNFINISHED, for {@link UNDER_WAY_MS} from when it was first seen so; of
   * the age of its name it takes {@link COPY_UNDER_WAY_MS} more.
   */
  async clearCopy(at: ImageRef, id: string, { source, why }: CutShort, deadline: Deadline): Promise<void> {
    const key = keyOf(at);
    const age = await this.#age(at, id, SKEW_MS + COPY_UNDER_WAY_MS, deadline);
    const { image } = at;
    if (age < UNDER_WAY_MS)
      throw berthError('BERTH_COPY_UNFINISHED', { image, source, age: Math.round(age / 1000), why });
    this.#log.warn({ image: key, id, source, why }, 'clearing away a copy that was cut short before it was one');
    await this.#rbd.remove(at, deadline);
    this.#seen.delete(key);
  }

  /**
   * How old it is at least, in ms: since it was first seen here with this id, or by when its name was written. The
   * latter outlives this process, so that controllers which are restarted again and again come to an end with it.
   * @param allowanceMs taken off the age of the name
   */
  async #age(at: ImageRef, id: string, allowanceMs: number, deadline: Deadline): Promise<number> {
    const seenFor = this.#seenFor(keyOf(at), id);
    if (seenFor >= UNDER_WAY_MS) return seenFor;
    const named = await this.#rbd.namedAt(at, deadline);
    return named === undefined ? seenFor : Math.max(seenFor, Date.now() - named - allowanceMs);
  }

  #seenFor(key: string, id: string): number {
    const now = performance.now();
    const seen = this.#seen.get(key);
    if (seen?.id === id) return now - seen.at;
    // Anew, so that it stands behind those that are older.
    this.#seen.delete(key);
    this.#seen.set(key, { id, at: now });
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MOST && oldest !== undefined) this.#seen.delete(oldest);
    return 0;
  }
}
