/** Waiting that ends: for promises that nobody can cancel, and for states of the kernel that come when they come. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';

/**
 * The promise's result, or DEADLINE naming `what`. The work itself is not stopped: a file operation on a dead device
 * keeps its thread of libuv's pool until the kernel answers.
 */
export async function bounded<T>(promise: Promise<T>, what: string, deadline: Deadline): Promise<T> {
  const ms = Math.ceil(deadline.remaining());
  // Nobody listens any more when it fails after the deadline.
  promise.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(berthError('BERTH_DEADLINE', { what, ms })), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/** Ask `look` until it gives something other than undefined; DEADLINE naming `what` otherwise. */
export async function waitFor<T>(look: () => Promise<T | undefined>, what: string, deadline: Deadline): Promise<T> {
  const ms = Math.ceil(deadline.remaining());
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const found = await look();
    if (found !== undefined) return found;
    if (deadline.expired) throw berthError('BERTH_DEADLINE', { what, ms });
    await sleep(Math.min(pause, deadline.remaining()));
  }
}
