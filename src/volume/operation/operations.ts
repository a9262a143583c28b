/**
 * One operation a volume, or one for each of its nodes: the same request joins the one that runs and gets its result,
 * another is told what runs and since when.
 */
import { childrenOf, describeChild, owning } from '../../host/process/children.js';
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { settledWithin, withinDeadline } from '../../model/time-limit.js';
import type { WorkingOperation } from './await-work.js';
import type { OperationSettings, TakeTurn } from './operation-settings.js';
import { change, excludes, inTheWay, isSame, type What } from './same-request.js';
import { ANSWER, START, type NodeSteps, type StepTable } from './steps.js';

/** What an operation is allowed to say of itself while it runs. */
export interface Operation<Step extends string = string> {
  /**
   * Name the step that begins now, `detail` is what varies;
   * both stand in every BUSY and DEADLINE answer until the next one.
   */
  readonly step: (name: Step, detail?: string) => void;
  /** A child of ours that lives on after it was killed at its deadline: what it was asked to do may still come true. */
  readonly straggler: () => string | undefined;
}

/** What a use case of the node says of itself while it runs. */
export type NodeOperation<Op extends keyof NodeSteps> = Operation<NodeSteps[Op][number]>;

/** What runs as the only operation of its key. */
export interface RunningOperation<Table extends StepTable, Op extends keyof Table>
  extends Operation<Table[Op][number]> {
  /**
   * For an act that others run by itself, as a mount stages and publishes: its steps are entered as those of `act`, and
   * stand in answers behind its name.
   */
  readonly within: <Act extends keyof Table & string>(act: Act) => Operation<Table[Act][number]>;
}

/**
 * The operation's own deadline, not its first caller's: a patient caller that joins must not fail by a hurried one's
 * clock. It stands still while its work runs, so that what comes after a check of an hour has its time as well.
 */
type OperationBody<Table extends StepTable, Op extends keyof Table, T> = (
  operation: RunningOperation<Table, Op>,
  deadline: Deadline,
) => Promise<T>;

interface Running extends What {
  readonly startedAt: number;
  /** Its own, from its turn on. */
  deadline: Deadline;
  step: string;
  waiting: number;
  result: Promise<unknown>;
}

interface Ended extends What {
  readonly until: number;
  readonly value: unknown;
}

/** The step of what waits for its turn, in answers alone. */
const IN_LINE = 'in line';
/** A caller with little time left may start what a retry will join. */
const BUDGET_MS = 60_000;
/** How long a success that nobody was there to hear is kept for the retry, in ms. */
const REMEMBER_MS = 120_000;
/** How long a caller waits for what the node does of itself before it gets BUSY, in ms: most of it takes less. */
const OUTWAIT_MS = 5_000;

/** @typeParam Table which operations there are, and the steps of each (steps.ts) */
export class Operations<Table extends StepTable = StepTable> {
  /** By key; several are of different parts. */
  readonly #running = new Map<string, readonly Running[]>();
  readonly #ended = new Map<string, readonly Ended[]>();
  /** Ended, with a child that the kernel does not let die. */
  readonly #stuck = new Map<string, readonly Running[]>();
  readonly #settings: OperationSettings;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: OperationSettings = {}) {
    this.#settings = settings;
  }

  /**
   * Run `body` as the only operation of `key`, or of its part of it. A caller with the same `op` and `fingerprint`
   * joins it; another gets BUSY, where the first one runs in the background only after {@link OUTWAIT_MS}. A caller
   * whose deadline passes gets DEADLINE. The operation goes on within its own time, and its work (exec.ts) without a
   * limit; a retry joins it or, where it has succeeded meanwhile, gets that success at once. Where an operation had
   * to leave a child behind that cannot be killed (D state), nothing new begins before the kernel has let go of it:
   * BUSY, for the old child would race the new one (but see `besideStraggler`). The key is taken before the first
   * await, so that two calls in one tick cannot both pass.
   */
  async run<Op extends keyof Table & string, T>(
    key: string,
    what: What<Op>,
    deadline: Deadline,
    body: OperationBody<Table, Op, T>,
  ): Promise<T> {
    const patience = deadline.within(OUTWAIT_MS);
    const running = (): Running | undefined => inTheWay(this.#running.get(key), what);
    while (what.background !== true && running()?.background === true && !patience.expired) {
      await outwait(running(), patience);
    }
    const present = running();
    if (present !== undefined) {
      if (!isSame(present, what)) throw this.#busy(key, present, present);
      return this.#await(key, present, deadline) as Promise<T>;
    }
    const stuck = this.#stillStuck(key, what);
    if (stuck !== undefined && what.besideStraggler !== true)
      throw this.#busy(key, { ...stuck, op: `what is left of ${stuck.op}` }, stuck);
    const ended = inTheWay(this.#ended.get(key), what);
    change(this.#ended, key, (all) => all.filter((one) => !excludes(one, what)));
    if (ended !== undefined && isSame(ended, what) && performance.now() < ended.until) return ended.value as T;
    return this.#await(key, this.#start(key, what, deadline, body), deadline) as Promise<T>;
  }

  /**
   * Join the same request where it runs now, whatever its key: for a caller that is not told the key, and might find
   * out another while it is being worked on. True where it ran and succeeded, false where it does not run; otherwise
   * its error, or DEADLINE.
   */
  async join<Op extends keyof Table & string>(what: What<Op>, deadline: Deadline): Promise<boolean> {
    for (const [key, all] of this.#running) {
      const found = all.find((one) => isSame(one, what));
      if (found === undefined) continue;
      await this.#await(key, found, deadline);
      return true;
    }
    return false;
  }

  /** Is something under way for this key now? */
  isRunning(key: string): boolean {
    return this.#running.has(key);
  }

  /** For how long nothing has been under way, ms: 0 while something is. */
  get idleMs(): number {
    return this.#running.size > 0 ? 0 : performance.now() - this.#endedAt;
  }

  /** Operations under way, for the drain and for a person who asks. */
  get size(): number {
    return [...this.#running.values()].reduce((sum, all) => sum + all.length, 0);
  }

  /** Each that is under way, and for how long it has been, in ms. */
  underWay(): readonly { readonly op: string; readonly ageMs: number }[] {
    const now = performance.now();
    return [...this.#running.values()].flat().map(({ op, startedAt }) => ({ op, ageMs: now - startedAt }));
  }

  /** Those that have begun work and are not through: a stop waits for them. */
  working(): readonly WorkingOperation[] {
    const children = (running: Running) => childrenOf(running).filter(({ isWork }) => isWork);
    return [...this.#running].flatMap(([key, all]) =>
      all
        .filter(({ deadline }) => deadline.hasStoodStill)
        .map((running) => ({ key, op: running.op, step: running.step, children: children(running) })),
    );
  }

  #start<Op extends keyof Table & string, T>(
    key: string,
    what: What<Op>,
    deadline: Deadline,
    body: OperationBody<Table, Op, T>,
  ): Running {
    const { op } = what;
    const startedAt = performance.now();
    const budget = Math.max(deadline.remaining(), this.#settings.budgetMs ?? BUDGET_MS);
    const own = Deadline.after(budget);
    const running: Running = { ...what, startedAt, deadline: own, step: START, waiting: 0, result: Promise.resolve() };
    change(this.#running, key, (all) => [...all, running]);
    const straggler = (): string | undefined => waitsFor(running);
    const enter = (name: string, detail?: string): void => {
      running.step = detail === undefined ? name : `${name} ${detail}`;
      this.#settings.entered?.({ key, op, step: name });
    };
    const within = (act: string): Operation => {
      const step = (name: string, detail?: string): void => {
        running.step = `${act}: ${detail === undefined ? name : `${name} ${detail}`}`;
        this.#settings.entered?.({ key, op: act, step: name });
      };
      step(START);
      return { step, straggler };
    };
    // An async call, so that a body that throws at once frees the key as well.
    const start = async (): Promise<T> => {
      enter(START);
      const leave = this.#settings.turn && (await inLine(running, this.#settings.turn(key, op)));
      // Its time in line is none of its own.
      running.deadline = Deadline.after(budget);
      try {
        const value = await body({ step: enter, straggler, within }, running.deadline);
        enter(ANSWER);
        return value;
      } finally {
        leave?.();
      }
    };
    const owned = this.#settings.children === false ? start() : owning(running, start);
    running.result = owned.finally(() => {
      this.#endedAt = performance.now();
      change(this.#running, key, (all) => all.filter((one) => one !== running));
      if (waitsFor(running) !== undefined) change(this.#stuck, key, (all) => [...all, running]);
    });
    running.result.then(
      (value) => this.#end(key, running, { value }),
      // A failure that nobody waits for any more must not end the process; a retry finds out for itself.
      (error: unknown) => this.#end(key, running, { error }),
    );
    return running;
  }

  #end(
    key: string,
    { op, fingerprint, part, startedAt, waiting }: Running,
    outcome: { value: unknown } | { error: unknown },
  ): void {
    if (waiting > 0) return;
    const ms = Math.round(performance.now() - startedAt);
    this.#settings.late?.({ key, op, ms, error: 'error' in outcome ? outcome.error : undefined });
    if ('error' in outcome) return;
    const now = performance.now();
    // The oldest come first: who begins is put behind all others.
    for (const [old, all] of this.#ended) {
      if (all.some(({ until }) => until >= now)) break;
      this.#ended.delete(old);
    }
    const about = part === undefined ? {} : { part };
    const ended = { op, fingerprint, ...about, value: outcome.value, until: now + REMEMBER_MS };
    change(this.#ended, key, (all) => [...all.filter(({ until }) => until >= now), ended]);
  }

  #stillStuck(key: string, what: What): Running | undefined {
    change(this.#stuck, key, (all) => all.filter((one) => waitsFor(one) !== undefined));
    return inTheWay(this.#stuck.get(key), what);
  }

  #busy(key: string, { op, step, startedAt }: Running, owner: Running): Error {
    const child = waitsFor(owner);
    const detail = child === undefined ? '' : `, waiting for ${child}`;
    return berthError('BERTH_BUSY', { key, op, step, age: Math.round(performance.now() - startedAt), detail });
  }

  async #await(key: string, running: Running, deadline: Deadline): Promise<unknown> {
    const late = (ms: number): Error => {
      const age = Math.round(performance.now() - running.startedAt);
      const child = waitsFor(running);
      const waiting = child === undefined ? '' : `, waiting for ${child},`;
      const what = `${running.op} of ${key} (step ${running.step}, running since ${age} ms)${waiting}`;
      return berthError('BERTH_DEADLINE', { what, ms });
    };
    running.waiting += 1;
    try {
      return await withinDeadline(running.result, late, deadline);
    } finally {
      running.waiting -= 1;
    }
  }
}

/** What ends its turn, when that has come. */
async function inLine(running: Running, turn: ReturnType<TakeTurn>): ReturnType<TakeTurn> {
  running.step = IN_LINE;
  const leave = await turn;
  running.step = START;
  return leave;
}

/** However it ends; who runs then is seen afresh. */
async function outwait(running: Running | undefined, patience: Deadline): Promise<void> {
  if (running !== undefined) await settledWithin(running.result, patience.remaining());
}

/** The child that runs for it, the newest of several, for that is what it waits for now. */
function waitsFor(owner: object): string | undefined {
  const child = childrenOf(owner).at(-1);
  return child === undefined ? undefined : describeChild(child);
}
