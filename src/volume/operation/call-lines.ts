/**
 * Shares a controller between clusters and kinds of calls: so many of a kind work on a cluster at a time, the others
 * wait in that kind's line, and a line has an end. So an attach waits for no delete, and no backlog slows what runs.
 */
import { berthError } from '../../model/errors.js';
import type { TakeTurn } from './operation-settings.js';
import type { ControllerSteps } from './steps.js';

/**
 * How many of a kind work at a time on one cluster. Together they are little more than the worker has threads, so that
 * what one kind leaves free the others have. More creates at a time make no more of them a second. A snapshot waits for
 * the monitors, which decide once in a second, and for as many as there are by then.
 */
const WIDTHS: Readonly<Record<keyof ControllerSteps, number>> & Readonly<Record<string, number | undefined>> = {
  create: 12,
  delete: 8,
  attach: 16,
  detach: 16,
  expand: 4,
  createSnapshot: 32,
  deleteSnapshot: 8,
  createGroup: 4,
  deleteGroup: 4,
};
/** How many of a kind may wait: a sidecar repeats what is refused, with pauses that grow. */
const LONGEST = 1_000;

interface Line {
  running: number;
  readonly waiting: (() => void)[];
}

export class CallLines {
  readonly #lines = new Map<string, Line>();
  readonly #longest: number;

  constructor(longest = LONGEST) {
    this.#longest = longest;
  }

  /**
   * Resolves when it may begin, with what ends it. BERTH_TOO_MANY_CALLS where too many wait.
   * @param key begins with the cluster's name, as a handle does
   */
  readonly take: TakeTurn = async (key, op) => {
    const cluster = key.slice(0, key.indexOf('/'));
    const name = `${op} ${cluster}`;
    const line = this.#lines.get(name) ?? { running: 0, waiting: [] };
    this.#lines.set(name, line);
    const width = WIDTHS[op] ?? 1;
    if (line.running < width) line.running += 1;
    else {
      const { length } = line.waiting;
      if (length >= this.#longest) throw berthError('BERTH_TOO_MANY_CALLS', { op, cluster, waiting: length });
      // Who leaves hands over: the place is never free in between.
      await new Promise<void>((begin) => line.waiting.push(begin));
    }
    return () => this.#leave(name, line);
  };

  #leave(name: string, line: Line): void {
    const next = line.waiting.shift();
    if (next === undefined) line.running -= 1;
    else next();
    if (line.running === 0) this.#lines.delete(name);
  }
}
