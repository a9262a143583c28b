/**
 * Waiting that ends, for everybody who waits: a promise by a deadline, a promise for a time, a state until it is there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from './deadline.js';
import { berthError } from './errors.js';

/** Makes the error after a wait of `ms` milliseconds; called in the moment in which the time is over. */
export type WhenLate = (ms: number) => Error;

/**
 * The result of `work`, or DEADLINE where it does not come by the deadline. The work itself is not stopped: a file
 * operation on a dead device keeps its thread of libuv's pool until the kernel answers. Where it fails after that,
 * nothing happens.
 * @param late what is waited for, for the text of DEADLINE, or what makes another error
 */
export function withinDeadline<T>(work: Promise<T>, late: string | WhenLate, deadline: Deadline): Promise<T> {
  const ms = Math.ceil(deadline.remaining());
  const whenLate = typeof late === 'string' ? () => berthError('BERTH_DEADLINE', { what: late, ms }) : late;
  return race(work, deadline, (_, reject) => reject(whenLate(ms)));
}

/** Does `work` end, whether it succeeds or fails, within `ms` milliseconds? Waits for it as long; never throws. */
export function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const end = work.then(
    () => true,
    () => true,
  );
  return race(end, Deadline.after(ms), (resolve) => resolve(false));
}

/** Between two looks at a deadline that stands still: its time does not get shorter. */
const STANDING_PAUSE_MS = 10;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Ask `read` until it gives something other than undefined, at least once and then with growing pauses (2 to 50 ms).
 * For states of the kernel, which come when they come. DEADLINE naming `what`.
 */
export async function pollUntil<T>(read: () => Promise<T | undefined>, what: string, deadline: Deadline): Promise<T> {
  const ms = Math.ceil(deadline.remaining());
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const found = await read();
    if (found !== undefined) return found;
    if (deadline.expired) throw berthError('BERTH_DEADLINE', { what, ms });
    await sleep(Math.min(pause, deadline.remaining()));
  }
}

/**
 * The race listens to `work` to its end, so that a failure after the time is no unhandled rejection. A deadline that
 * stood still meanwhile is waited for again.
 */
async function race<T>(
  work: Promise<T>,
  deadline: Deadline,
  whenLate: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<T>((resolve, reject) => {
    const wait = (ms: number): void => {
      timer = setTimeout(() => {
        if (deadline.expired) whenLate(resolve, reject);
        else wait(Math.max(Math.ceil(deadline.remaining()), STANDING_PAUSE_MS));
      }, ms);
    };
    wait(Math.ceil(deadline.remaining()));
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
