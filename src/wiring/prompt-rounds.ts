/** What a node does every few seconds with its journal, and the metrics of its volumes. */
import type { JournalEntry } from '../journal/entry.js';
import { Rounds } from '../model/rounds.js';
import type { Counters } from '../observe/metrics.js';
import type { Options } from '../options/options.js';
import { GuestClients } from '../volume/node/handover/guest-clients.js';
import { showVolumes } from '../volume/node/metrics/volume-metrics.js';
import { FORGOTTEN_METRIC, takeDownWanted } from '../volume/node/recovery/forgotten-stages.js';
import { returnPendingRecords } from '../volume/node/recovery/return-records.js';
import type { NodeParts } from './node-parts.js';

/** A guest opens its image seconds after the hand-over; an OSD that was away for a while is back. */
const PROMPT_MS = 15_000;

/** None where the journal is unreadable as a whole: the machine's check says so. */
const entriesOf = ({ journal }: Pick<NodeParts, 'journal'>): Promise<readonly JournalEntry[]> =>
  journal.all().then(
    ({ entries }) => entries,
    () => [],
  );

/** What cannot wait for reconciliation: others wait for it, or a fence may be needed before. */
export function promptRounds(
  node: NodeParts,
  options: Pick<Options, 'nodeId' | 'reconcileInterval'>,
  counters: Counters,
): { start(): void; stop(): Promise<void> } {
  counters.declare(FORGOTTEN_METRIC, 'Volumes that no pod used and that were wanted elsewhere, by what came of it.', {
    what: [],
  });
  const count = (what: string): void => counters.count(FORGOTTEN_METRIC, { what });
  const guests = new GuestClients(node);
  const { io, guestUsages } = node;
  showVolumes({ node: options.nodeId, counters, entries: () => entriesOf(node), io, guestUsages });
  const round = async (): Promise<void> => {
    const stopped = (): boolean => rounds.stopped;
    let entries = await entriesOf(node);
    await guests.round(entries, stopped);
    const taken = await takeDownWanted(node, entries, count, stopped);
    if (taken > 0) entries = await entriesOf(node);
    await returnPendingRecords(node, entries, stopped);
  };
  const intervalMs = options.reconcileInterval * 1000;
  const everyMs = intervalMs === 0 ? PROMPT_MS : Math.min(PROMPT_MS, intervalMs);
  const rounds: Rounds = new Rounds(round, { everyMs, jitter: 0.2, stopMs: 5_000 });
  return {
    start: () => rounds.start(),
    stop: () => {
      node.io.stop();
      return rounds.stop();
    },
  };
}
