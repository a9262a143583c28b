/**
 * Carries out what was decided, one volume at a time, through the use cases of the volume room; says of each act what
 * came of it.
 */
import { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import { removeOrphanedDirectory } from '../volume/node/recovery/orphaned-directory.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import {
  dropMapping,
  forgetEntry,
  reattachEntry,
  returnRecord,
  takeDownEntry,
  type Outcome,
} from '../volume/node/recovery/recover-entry.js';
import type { Act, Report } from './decision.js';
import type { Facts } from './node-facts.js';

/** What one act may take, in ms. */
const ACT_MS = 60_000;
/** Of those that need a cluster: one that is down must not keep those of another waiting for long. */
const CLUSTER_MS = 15_000;

const needsCluster = ({ kind }: Act): boolean => kind === 'give back' || kind === 'reattach';

export interface Done {
  /** Acts that were carried out. */
  readonly done: number;
  readonly failed: number;
  readonly reports: readonly Report[];
}

/** @param stopped asked before each act */
export async function carryOut(
  room: NodeRoom,
  acts: readonly Act[],
  options: { readonly facts: Facts; readonly driver: string },
  stopped: () => boolean,
): Promise<Done> {
  const reports: Report[] = [];
  let done = 0;
  const lane = async (mine: readonly Act[]): Promise<void> => {
    for (const act of mine) {
      if (stopped()) return;
      const report = await attempt(room, act, options);
      if (report === 'done') done += 1;
      else if (report !== undefined) reports.push(report);
    }
  };
  // Beside each other: a cluster that does not answer holds up no clean-up of this node.
  await Promise.all([lane(acts.filter((act) => !needsCluster(act))), lane(acts.filter(needsCluster))]);
  return { done, failed: reports.length, reports };
}

async function attempt(
  room: NodeRoom,
  act: Act,
  options: { readonly facts: Facts; readonly driver: string },
): Promise<Report | 'done' | undefined> {
  const { kind, volume, why } = act;
  const subject = subjectOf(act);
  const deadline = Deadline.after(needsCluster(act) ? CLUSTER_MS : ACT_MS);
  try {
    const outcome = await perform(room, act, options, deadline);
    if (outcome === 'done') room.log.info({ act: kind, volume, subject, why }, 'reconciled');
    else room.log.debug({ act: kind, volume, subject, why, outcome }, 'nothing to reconcile any more');
    if (outcome === 'done') return 'done';
    return outcome === 'changed' ? undefined : notYet(subject, why, outcome);
  } catch (error) {
    // The orchestrator came first: it always wins.
    if (isBerthError(error, 'BERTH_BUSY')) return undefined;
    room.log.debug({ act: kind, volume, subject, why, err: error }, 'could not be reconciled');
    const what = error instanceof Error ? error.message : 'failed';
    return { subject, kind: 'ours', what: `${kind}: ${why}; ${what}`, todo: '' };
  }
}

const notYet = (subject: string, why: string, outcome: 'in use' | 'later'): Report => ({
  subject,
  kind: 'ours',
  what: `${why}; ${outcome === 'later' ? 'its cluster does not answer' : 'a guest still has the image open'}`,
  todo: '',
});

function subjectOf(act: Act): string {
  if (act.kind === 'drop') return act.mapping.device;
  return act.kind === 'clear' ? act.leftover.directory : act.entry.volume;
}

function perform(
  room: NodeRoom,
  act: Act,
  { facts, driver }: { readonly facts: Facts; readonly driver: string },
  deadline: Deadline,
): Promise<Outcome> {
  switch (act.kind) {
    case 'complete':
    case 'undo':
      return takeDownEntry(room, act.entry, deadline);
    case 'forget':
      return forgetEntry(room, act.entry, deadline);
    case 'give back':
      return returnRecord(room, act.entry, deadline);
    case 'reattach':
      return reattachEntry(room, act.entry, deadline);
    case 'drop':
      return dropMapping(room, act.mapping, act.volume, deadline);
    case 'clear': {
      const { volume, directory, mountPoint, owner } = act.leftover;
      const unchangedSince = facts.now - facts.ageMs;
      const leftover = { volume, directory, mountPoint, quietBelow: owner, unchangedSince, driver };
      return removeOrphanedDirectory(room, leftover, deadline);
    }
  }
}
