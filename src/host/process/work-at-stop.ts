/** What becomes of work when this process is to end: none begins any more, and what is left at the last is cut. */
import { berthError } from '../../model/errors.js';
import { runningChildren } from './children.js';
import { endGroup } from './signal-group.js';

let isRefused = false;
/** Children that were cut, by pid. */
const cut = new Set<number>();

/** From now on no work begins but what ends something that was begun before. */
export function refuseNewWork(): void {
  isRefused = true;
}

/** For tests, which share a process. */
export function allowNewWork(): void {
  isRefused = false;
}

/** BERTH_SHUTTING_DOWN where this process is to end. */
export function checkWorkMayBegin(): void {
  if (isRefused) throw berthError('BERTH_SHUTTING_DOWN', {});
}

/** End all work that runs now: what waits for it gets BERTH_SHUTTING_DOWN. */
export function cutWork(): void {
  for (const { pid, isWork } of runningChildren()) {
    if (!isWork) continue;
    cut.add(pid);
    endGroup(pid);
  }
}

/** Was this child, which has ended since, ended by {@link cutWork}? Asked once. */
export const wasCut = (pid: number): boolean => cut.delete(pid);
