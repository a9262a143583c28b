/**
 * Volumes that this node lost while it was away: cut off, unmounted and unmapped, and not one byte of theirs written
 * any more.
 */
import type { JournalEntry } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { type NodeRoom } from '../node-room.js';
import { cutOffAndUnmap, whyRevoked } from './cut-off.js';
import { finishTakeDown, asOnlyOperation } from './recover-entry.js';

/** What reading one record may take, ms, and letting go of one volume. */
const READ_MS = 5_000;
const TAKE_DOWN_MS = 60_000;

export interface RevokedRound {
  readonly done: number;
  readonly reports: readonly {
    readonly subject: string;
    readonly kind: 'ours';
    readonly what: string;
    readonly todo: string;
  }[];
}

/**
 * Every staged volume of the journal against its record in the cluster; a cluster that does not answer proves nothing.
 */
export async function takeDownRevoked(room: NodeRoom, stopped: () => boolean): Promise<RevokedRound> {
  const { entries } = await room.journal.all();
  const reports: RevokedRound['reports'][number][] = [];
  const silent = new Set<string>();
  let done = 0;
  for (const entry of entries) {
    if (stopped()) break;
    const { volume, fsid, state, handedTo } = entry;
    if (state !== 'staged' || handedTo !== undefined || silent.has(fsid) || room.operations.isRunning(volume)) continue;
    try {
      const why = await whyRevoked(room, entry, undefined, Deadline.after(READ_MS), () => silent.add(fsid));
      if (why !== undefined && (await takeDownIfRevoked(room, entry, why))) done += 1;
    } catch (error) {
      const what = `it was lost to another node and could not be taken down: ${error instanceof Error ? error.message : 'failed'}`;
      reports.push({ subject: volume, kind: 'ours', what, todo: 'end the pods that use it; what they write is lost' });
    }
  }
  return { done, reports };
}

/** True when it is gone from this node. Errors of the mapper and of unmounting. */
async function takeDownIfRevoked(room: NodeRoom, entry: JournalEntry, why: string): Promise<boolean> {
  const { volume, mapping } = entry;
  const deadline = Deadline.after(TAKE_DOWN_MS);
  const outcome = await asOnlyOperation(room, volume, 'let go', deadline, 'wait', async (operation, deadline) => {
    operation.step('read journal');
    if (JSON.stringify(await room.journal.read(volume)) !== JSON.stringify(entry)) return 'changed';
    if ((await whyRevoked(room, entry, undefined, deadline)) === undefined) return 'changed';
    room.log.warn({ volume, mapping, why }, 'this node lost the volume; it is cut off and taken down');
    await cutOffAndUnmap(room, entry, operation, deadline);
    return finishTakeDown(room, entry, operation, deadline);
  });
  return outcome === 'done';
}
