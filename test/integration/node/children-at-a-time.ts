/** How many children a driver had at a time, by what its log says of each when it ends. */
import type { Driver } from '../csi/driver.js';
import { logged } from '../reconcile/power.js';

/** Of src/host/process/exec.ts: short ones, and work. */
const GATES = 32 + 16;
/** Where none has ended for so long, one more begins (child-gate.ts), ms. */
const STALL_MS = 1_000;

/** The most at a time, and how many the driver allows: its gates, and one more for each time that they stalled. */
export async function mostAtATime(driver: Driver): Promise<{ readonly children: number; readonly allowed: number }> {
  const ended = (await logged(driver, 'child process ended')).map(({ time, ms }) => {
    const end = typeof time === 'number' ? time : Date.parse(String(time));
    return { begin: end - Number(ms), end };
  });
  const changes = ended.flatMap(({ begin, end }) => [
    { at: begin, by: 1 },
    { at: end, by: -1 },
  ]);
  // Of the same millisecond, ends first.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let children = 0;
  for (const { by } of changes) {
    now += by;
    children = Math.max(children, now);
  }
  let stalls = 0;
  const ends = ended.map(({ end }) => end).toSorted((a, b) => a - b);
  for (const [at, end] of ends.entries()) {
    const before = ends[at - 1] ?? end;
    const isStalled = ended.filter((one) => one.begin <= before && one.end >= end).length >= GATES / 3;
    if (isStalled) stalls += Math.floor((end - before) / STALL_MS);
  }
  return { children, allowed: GATES + stalls };
}
