/**
 * A stop waits for operations whose work would begin from zero if it were cut: as long as they move, and never longer
 * than the grace that it has.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeChild, type RunningChild } from '../../host/process/children.js';
import { movementOf } from '../../host/process/movement.js';
import { cutWork } from '../../host/process/work-at-stop.js';
import { Deadline } from '../../model/deadline.js';
import type { Logger } from '../../observe/log.js';

/** An operation that has begun work (exec.ts). */
export interface WorkingOperation {
  readonly key: string;
  readonly op: string;
  readonly step: string;
  /** The children at work for it now; empty where it works through Ceph, or is behind its work. */
  readonly children: readonly RunningChild[];
}

export interface AwaitWorkParts {
  /** What works on this machine. */
  readonly operations: { readonly working: () => readonly WorkingOperation[] };
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Between two looks, in ms. */
const LOOK_MS = 500;
/** A tool that waits so long, in ms, for what does not answer, would wait for the rest of the grace as well. */
const STILL_MS = 30_000;
/** What is left of an operation when its work was cut, in ms: it writes down how far it came. */
const AFTER_CUT_MS = 3_000;

/**
 * Resolves when nothing works any more, or when what works was cut, for the grace was over or none of it moved. Work
 * that runs without a child counts as moving.
 */
export async function awaitWork(
  { operations, log }: AwaitWorkParts,
  graceMs: number,
  stillMs = STILL_MS,
): Promise<void> {
  const grace = Deadline.after(graceMs);
  let seen = '';
  let movedAt = performance.now();
  let isTold = false;
  for (let working = operations.working(); working.length > 0; working = operations.working()) {
    if (!isTold) log.info({ graceMs, work: working.map(describe) }, 'the stop waits for work');
    isTold = true;
    const now = performance.now();
    const movement = working.map(movementOfOperation).join('\n');
    if (movement !== seen || working.some(({ children }) => children.length === 0)) movedAt = now;
    seen = movement;
    const isStill = now - movedAt >= stillMs;
    if (isStill || grace.expired) {
      const why = isStill ? `it has not moved for ${stillMs} ms` : `it is not through after ${graceMs} ms`;
      log.warn(
        { why, work: working.map(describe) },
        'work is cut: it is repeated or undone when it is asked for again',
      );
      cutWork();
      await settled(operations);
      return;
    }
    await sleep(Math.min(LOOK_MS, grace.remaining()));
  }
}

async function settled(operations: AwaitWorkParts['operations']): Promise<void> {
  const patience = Deadline.after(AFTER_CUT_MS);
  while (operations.working().length > 0 && !patience.expired) await sleep(LOOK_MS / 10);
}

const movementOfOperation = ({ key, op, step, children }: WorkingOperation): string =>
  [key, op, step, ...children.map(({ pid, progress = '' }) => `${progress} ${movementOf(pid)}`)].join(' ');

const describe = ({ key, op, step, children }: WorkingOperation): string =>
  `${op} of ${key} at step ${step}${children.map((child) => `, ${describeChild(child)}`).join('')}`;
