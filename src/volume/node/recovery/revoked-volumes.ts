/**
 * Volumes that this node lost while it was away: cut off, unmounted and unmapped, and not one byte of theirs written
 * any more.
 */
import { HOLDER_KEY, parseHolderRecord, whyNotStaged } from '../../../attachment/holder-record.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import { unmount } from '../../../host/mount/mount.js';
import type { JournalEntry } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { unmountDead } from '../filesystem/dead-mount.js';
import { type NodeRoom } from '../node-room.js';
import { mappingOf } from '../find-mapping.js';
import type { Operation } from '../../operation/operations.js';
import { finishTakeDown, asOnlyOperation } from './recover-entry.js';
import { locate, type Credentials } from '../../image/find-volume.js';

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

/**
 * Why a volume that is staged here is not this node's any more; undefined while it is, and where the record cannot be
 * read: then nothing is touched.
 */
export async function whyRevoked(
  room: NodeRoom,
  entry: JournalEntry,
  secrets: Credentials | undefined,
  deadline: Deadline,
  unreadable: () => void = () => undefined,
): Promise<string | undefined> {
  const { volume } = entry;
  try {
    if ((await mappingOf(room, entry, deadline)) === undefined) return undefined;
    const place = await locate(room.clusters, volume, 'node', secrets);
    const head = place && (await room.rbd.head(place.at, deadline.within(READ_MS)));
    if (head === undefined) return undefined;
    const record = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
    return whyNotStaged(record, room.node);
  } catch (error) {
    unreadable();
    room.log.debug({ volume, err: error }, 'whether this node still holds the volume cannot be told');
    return undefined;
  }
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

/**
 * First the device answers nothing but errors, so that what is still in memory cannot reach an image that may be
 * another node's now; then it is unmounted everywhere and unmapped. BERTH_UNMOUNT_BUSY, BERTH_UNMAP_BUSY while pods
 * hold it; they get errors from here on.
 */
export async function cutOffAndUnmap(
  room: NodeRoom,
  entry: JournalEntry,
  operation: Operation<'cut off' | 'unmount lost' | 'unmap lost'>,
  deadline: Deadline,
): Promise<void> {
  const mapping = await mappingOf(room, entry, deadline);
  if (mapping === undefined) return;
  const mapper = room.mapperNamed(mapping.mapper);
  operation.step('cut off', mapping.device);
  await mapper.cutOff(mapping, deadline);
  operation.step('unmount lost');
  for (const path of [...Object.keys(entry.targets), entry.stagingPath]) {
    if ((await mountAt(path)) !== undefined) await unmount(room.exec, path, deadline);
  }
  operation.step('unmap lost', mapping.device);
  await mapper.unmap(mapping, deadline);
}

/**
 * What a {@link cutOffAndUnmap} that was cut short left: our mounts of the device that we had, which is nobody's any
 * more. BERTH_UNMOUNT_BUSY.
 */
export async function unmountRevoked(
  room: NodeRoom,
  entry: JournalEntry,
  operation: Operation<'unmount lost'>,
  deadline: Deadline,
): Promise<void> {
  if ((await mappingOf(room, entry, deadline)) !== undefined) return;
  for (const path of [...Object.keys(entry.targets), entry.stagingPath]) {
    await unmountDead(room, entry, path, deadline, () => operation.step('unmount lost'));
  }
}
