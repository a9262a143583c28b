/**
 * Shares a driver between clusters and kinds of calls: so many of a kind work on a cluster at a time, the others wait
 * in that kind's line, and a line has an end. So an attach waits for no delete, and no backlog slows what runs. Who
 * waits has done nothing yet: a caller who gives up and comes again finds his place in the line, and nothing to undo.
 */
import { berthError } from '../../model/errors.js';
import type { TakeTurn } from './operation-settings.js';
import type { ControllerSteps, NodeSteps } from './steps.js';

/** How many of a kind work at a time on one cluster; a kind that is not named begins at once. */
type Widths = Readonly<Record<string, number | undefined>>;

/**
 * Together they are little more than the worker has threads, so that what one kind leaves free the others have. More
 * creates at a time make no more of them a second. A snapshot waits for the monitors, which decide once in a second,
 * and for as many as there are by then.
 */
export const CONTROLLER_WIDTHS: Readonly<Record<keyof ControllerSteps, number>> = {
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

/**
 * Five hundred pods that start at once on a node: begun together, none of them would be through when the kubelet gives
 * up, and each would be undone and begun anew. Where a map takes four seconds and they take turns, as on a starved
 * machine with the mapper of development, 32 are too many for two minutes.
 */
export const NODE_WIDTHS: Readonly<Partial<Record<keyof NodeSteps, number>>> = {
  stage: 16,
  unstage: 16,
  handover: 16,
  takeback: 16,
  mount: 16,
  unmount: 16,
};
/**
 * Where nobody in a line of a node has ended for so long, ms, one more begins: those that run may hang with one pool or
 * check a large filesystem, and the others must not wait for them.
 */
export const NODE_STALL_MS = 5_000;

/** How many of a kind may wait: a caller repeats what is refused, with pauses that grow. */
const LONGEST = 1_000;

interface Line {
  running: number;
  readonly waiting: (() => void)[];
  stall: NodeJS.Timeout | undefined;
}

export interface LineLimits {
  readonly widths: Widths;
  readonly longest?: number;
  /** Undefined where a line waits for those that run, however long. */
  readonly stallMs?: number;
}

export class CallLines {
  readonly #lines = new Map<string, Line>();
  readonly #limits: LineLimits;

  constructor(limits: LineLimits) {
    this.#limits = limits;
  }

  /**
   * Resolves when it may begin, with what ends it. BERTH_TOO_MANY_CALLS where too many wait.
   * @param key begins with the cluster's name, as a handle does
   */
  readonly take: TakeTurn = async (key, op) => {
    const { widths, longest = LONGEST } = this.#limits;
    const width = widths[op];
    if (width === undefined) return () => undefined;
    const cluster = key.slice(0, key.indexOf('/'));
    const name = `${op} ${cluster}`;
    const line = this.#lines.get(name) ?? { running: 0, waiting: [], stall: undefined };
    this.#lines.set(name, line);
    if (line.running < width) line.running += 1;
    else {
      const { length } = line.waiting;
      if (length >= longest) throw berthError('BERTH_TOO_MANY_CALLS', { op, cluster, waiting: length });
      // Who leaves hands over: the place is never free in between.
      await new Promise<void>((begin) => {
        line.waiting.push(begin);
        this.#watch(line);
      });
    }
    return () => this.#leave(name, line);
  };

  #leave(name: string, line: Line): void {
    clearTimeout(line.stall);
    line.stall = undefined;
    const next = line.waiting.shift();
    // A place that was made because nobody ended is handed on as any other.
    if (next === undefined) line.running -= 1;
    else next();
    if (line.running === 0) this.#lines.delete(name);
    this.#watch(line);
  }

  #watch(line: Line): void {
    const { stallMs } = this.#limits;
    if (stallMs === undefined || line.stall !== undefined || line.waiting.length === 0) return;
    line.stall = setTimeout(() => {
      line.stall = undefined;
      const next = line.waiting.shift();
      if (next !== undefined) line.running += 1;
      next?.();
      this.#watch(line);
    }, stallMs);
  }
}
