/** Carries out what was decided, one volume at a time, and reports of each act what came of it. */
import type { JournalEntry } from '../journal/entry.js';
import { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import type { Logger } from '../observe/log.js';
import type { Mapping } from '../rbd/mapping/mapper.js';
import type { OrphanedDirectory } from '../volume/node/recovery/orphaned-directory.js';
import type { RecoveryOutcome } from '../volume/node/recovery/as-only-operation.js';
import type { RecoveryAct, NodeReport } from './decision.js';
import type { NodeFacts } from './node-facts.js';

/** What one act may take, in ms. */
const ACT_MS = 60_000;
/** What an act that needs a cluster may take, in ms. A cluster that is down must not delay the acts of another one. */
const CLUSTER_MS = 15_000;

const needsCluster = ({ kind }: RecoveryAct): boolean => kind === 'give back' || kind === 'reattach';

/**
 * All that reconciliation can do to a volume (volume/node/recovery). Each runs as the volume's only operation, and
 * finds out first whether the volume is still as it was when the act was decided.
 */
export interface RecoveryActs {
  takeDown(entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome>;
  forget(entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome>;
  returnRecord(entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome>;
  reattach(entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome>;
  drop(mapping: Mapping, volume: string | undefined, deadline: Deadline): Promise<RecoveryOutcome>;
  removeDirectory(leftover: OrphanedDirectory, deadline: Deadline): Promise<RecoveryOutcome>;
}

/** Who carries out the acts of a round. */
export interface Carrier {
  readonly acts: RecoveryActs;
  readonly log: Pick<Logger, 'info' | 'debug'>;
}

/** What an act needs to know beside itself. */
interface Round {
  readonly facts: Pick<NodeFacts, 'now' | 'ageMs'>;
  readonly driver: string;
}

export interface CarriedOut {
  /** Acts that were carried out. */
  readonly done: number;
  readonly failed: number;
  readonly reports: readonly NodeReport[];
}

/** @param stopped asked before each act */
export async function carryOut(
  carrier: Carrier,
  acts: readonly RecoveryAct[],
  round: Round,
  stopped: () => boolean,
): Promise<CarriedOut> {
  const reports: NodeReport[] = [];
  let done = 0;
  const lane = async (mine: readonly RecoveryAct[]): Promise<void> => {
    for (const act of mine) {
      if (stopped()) return;
      const report = await attempt(carrier, act, round);
      if (report === 'done') done += 1;
      else if (report !== undefined) reports.push(report);
    }
  };
  // Beside each other: a cluster that does not answer delays no clean-up of this node.
  await Promise.all([lane(acts.filter((act) => !needsCluster(act))), lane(acts.filter(needsCluster))]);
  return { done, failed: reports.length, reports };
}

async function attempt(
  { acts, log }: Carrier,
  act: RecoveryAct,
  round: Round,
): Promise<NodeReport | 'done' | undefined> {
  const { kind, volume, why } = act;
  const subject = subjectOf(act);
  const deadline = Deadline.after(needsCluster(act) ? CLUSTER_MS : ACT_MS);
  try {
    const outcome = await perform(acts, act, round, deadline);
    if (outcome === 'done') log.info({ act: kind, volume, subject, why }, 'reconciled');
    else log.debug({ act: kind, volume, subject, why, outcome }, 'nothing to reconcile any more');
    if (outcome === 'done') return 'done';
    return outcome === 'changed' ? undefined : notYet(subject, why, outcome);
  } catch (error) {
    // The orchestrator came first: it always wins.
    if (isBerthError(error, 'BERTH_BUSY')) return undefined;
    log.debug({ act: kind, volume, subject, why, err: error }, 'could not be reconciled');
    const what = error instanceof Error ? error.message : 'failed';
    return { subject, kind: 'ours', what: `${kind}: ${why}; ${what}`, todo: '' };
  }
}

const notYet = (subject: string, why: string, outcome: 'in use' | 'later'): NodeReport => ({
  subject,
  kind: 'ours',
  what: `${why}; ${outcome === 'later' ? 'its cluster does not answer' : 'a guest still has the image open'}`,
  todo: '',
});

function subjectOf(act: RecoveryAct): string {
  if (act.kind === 'drop') return act.mapping.device;
  return act.kind === 'clear' ? act.leftover.directory : act.entry.volume;
}

function perform(
  acts: RecoveryActs,
  act: RecoveryAct,
  { facts, driver }: Round,
  deadline: Deadline,
): Promise<RecoveryOutcome> {
  switch (act.kind) {
    case 'complete':
    case 'undo':
      return acts.takeDown(act.entry, deadline);
    case 'forget':
      return acts.forget(act.entry, deadline);
    case 'give back':
      return acts.returnRecord(act.entry, deadline);
    case 'reattach':
      return acts.reattach(act.entry, deadline);
    case 'drop':
      return acts.drop(act.mapping, act.volume, deadline);
    case 'clear': {
      const { volume, directory, mountPoint, owner } = act.leftover;
      const unchangedSince = facts.now - facts.ageMs;
      const leftover = { volume, directory, mountPoint, quietBelow: owner, unchangedSince, driver };
      return acts.removeDirectory(leftover, deadline);
    }
  }
}
