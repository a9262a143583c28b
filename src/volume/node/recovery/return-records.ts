/**
 * Holder records that could not be given back at the unstage, soon after the cluster answers again: a detach elsewhere
 * waits for them.
 */
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { NodeRoom } from '../node-room.js';
import { returnRecord } from './recover-entry.js';

/** What one record may take, in ms. */
const RETURN_MS = 15_000;

/**
 * Every entry of the journal with which nothing else is left to do, once; a cluster that does not answer is asked for
 * one of them only. What is still mapped or mounted is reconciliation's. Never fails.
 */
export async function returnPendingRecords(
  room: NodeRoom,
  entries: readonly JournalEntry[],
  stopped: () => boolean,
): Promise<void> {
  const silent = new Set<string>();
  for (const entry of entries) {
    const { volume, fsid, state, holdsRecord } = entry;
    if (stopped()) return;
    if (state !== 'unstaging' || !holdsRecord || silent.has(fsid) || room.operations.isRunning(volume)) continue;
    try {
      if (await isMounted(entry)) continue;
      const outcome = await returnRecord(room, entry, Deadline.after(RETURN_MS));
      if (outcome === 'later') silent.add(fsid);
      if (outcome === 'done') room.log.info({ volume }, 'the holder record is given back');
    } catch (error) {
      if (!isBerthError(error, 'BERTH_BUSY'))
        room.log.debug({ volume, err: error }, 'the holder record could not be given back');
    }
  }
}

async function isMounted({ stagingPath, targets }: JournalEntry): Promise<boolean> {
  const mounts = await Promise.all([stagingPath, ...Object.keys(targets)].map((path) => mountAt(path)));
  return mounts.some((mount) => mount !== undefined);
}
