/**
 * What reconciliation may do to a volume: each act under the volume's key, and only while journal and kernel still say
 * what it was decided upon.
 */
import { HOLDER_KEY, parseHolderRecord, whyNotStaged } from '../../../attachment/holder-record.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import { locationName } from '../../../rbd/mapping/location-name.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { unbindAt } from '../../../sandbox/bind-mount.js';
import { readHandOverFile } from '../../../sandbox/hyperd/hand-over-file.js';
import { removeRecords } from '../../../sandbox/kata/direct-volume.js';
import { watchersBefore, type WatchersBefore } from '../client-instances.js';
import { recordClients } from '../map-image.js';
import { type NodeRoom } from '../node-room.js';
import { type NodeOperation } from '../../operation/operations.js';
import { parseVolumeRecord } from '../../image/volume-record.js';
import { mustFindVolume, type FoundVolume } from '../../image/find-volume.js';
import { imageUseNow } from '../handover/reclaim-image.js';
import { takeDownRecorded } from '../take-down-volume.js';

/**
 * `changed`: the volume is not any more as it was when the act was decided; nothing was done. `in use`, by a guest, and
 * `later`, for the cluster does not answer: to be tried again.
 */
export type RecoveryOutcome = 'done' | 'changed' | 'in use' | 'later';

/**
 * Run `body` as the volume's only operation. BUSY where one runs already.
 * @param callers of the orchestrator that come meanwhile `wait` for the end, or `come again`, beginning with what they
 * prepare for a call
 */
export async function asOnlyOperation(
  room: NodeRoom,
  volume: string,
  act: string,
  deadline: Deadline,
  callers: 'wait' | 'come again',
  body: (operation: NodeOperation<'reconcile'>, deadline: Deadline) => Promise<RecoveryOutcome>,
): Promise<RecoveryOutcome> {
  // An op of its own: an unstage that joined this one would be told "done" where this one found that it had nothing to
  // do.
  const what = { op: 'reconcile' as const, fingerprint: `${act} ${performance.now()}`, background: callers === 'wait' };
  return room.operations.run(volume, what, deadline, body);
}

async function ifUnchanged(
  room: NodeRoom,
  entry: JournalEntry,
  act: string,
  deadline: Deadline,
  body: (operation: NodeOperation<'reconcile'>, deadline: Deadline) => Promise<RecoveryOutcome>,
): Promise<RecoveryOutcome> {
  return asOnlyOperation(room, entry.volume, act, deadline, 'wait', async (operation, deadline) => {
    operation.step('read journal');
    const now = await room.journal.read(entry.volume);
    if (JSON.stringify(now) !== JSON.stringify(entry)) return 'changed';
    return body(operation, deadline);
  });
}

/**
 * Unmount and unmap what the entry is about, by the kernel alone, and forget it; where the node holds the record, the
 * entry stays as `unstaging` for {@link returnRecord}. BERTH_VOLUME_IN_USE, BERTH_UNMAP_BUSY.
 */
export const takeDownEntry = (room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome> =>
  ifUnchanged(room, entry, 'take down', deadline, async (operation, deadline) => {
    await takeDownRecorded(room, entry, operation, deadline);
    return finishTakeDown(room, entry, operation, deadline);
  });

/**
 * Forget an entry of which the kernel has nothing, with the empty targets that it made; the holder record as in {@link
 * takeDownEntry}.
 */
export const forgetEntry = (room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome> =>
  ifUnchanged(room, entry, 'forget', deadline, async (operation, deadline) => {
    operation.step('look');
    if ((await room.mappers.mappingOf(entry, deadline)) !== undefined) return 'changed';
    for (const path of [entry.stagingPath, ...Object.keys(entry.targets)]) {
      if ((await mountAt(path)) !== undefined) return 'changed';
    }
    // A guest may have been told of the image by it: the orchestrator has to take it back.
    if (entry.handedTo !== undefined && (await readHandOverFile(entry.stagingPath)) !== undefined) return 'changed';
    return finishTakeDown(room, entry, operation, deadline);
  });

/**
 * Nothing of it is here any more: its targets and Kata's records go, and the entry, or what of it has still to be told
 * the cluster.
 */
export async function finishTakeDown(
  room: NodeRoom,
  entry: JournalEntry,
  operation: NodeOperation<'reconcile'>,
  deadline: Deadline,
): Promise<RecoveryOutcome> {
  for (const [target, { sandbox, asked = target }] of Object.entries(entry.targets)) {
    if (sandbox === 'kata')
      await removeRecords(room.kataRecords, entry.volume, { resolved: target, asked }, operation.step);
    await removeTarget(room, target, operation, deadline);
  }
  operation.step('write outcome');
  if (entry.holdsRecord) await room.journal.write({ ...entry, state: 'unstaging', targets: {} });
  else await room.journal.remove(entry.volume);
  return 'done';
}

/** An empty directory or file that a publish made and nothing is mounted on. */
async function removeTarget(
  room: NodeRoom,
  target: string,
  operation: NodeOperation<'reconcile'>,
  deadline: Deadline,
): Promise<void> {
  try {
    await unbindAt(room.exec, target, () => Promise.resolve(false), operation.step, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_TARGET_OCCUPIED')) throw error;
    room.log.warn({ target, err: error }, 'the target of a volume that is not here any more is left as it is');
  }
}

/**
 * Give back the holder record of an entry with which nothing else is left to do, then forget it; `later` while the
 * cluster does not answer.
 */
export const returnRecord = (room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome> =>
  ifUnchanged(room, entry, 'give back', deadline, async (operation, deadline) => {
    // Where the kernel shows no mapping, the mapper has also closed what a killed attempt left open.
    if (entry.state !== 'unstaging' || (await room.mappers.mappingOf(entry, deadline)) !== undefined) return 'changed';
    const use = entry.handedTo === undefined ? 'closed' : await imageUseNow(room, entry, deadline);
    if (use !== 'closed') return use === 'open' ? 'in use' : 'later';
    operation.step('give holder record back');
    if (!(await room.holderRecords.giveBack(entry.volume))) return 'later';
    operation.step('remove journal');
    await room.journal.remove(entry.volume);
    return 'done';
  });

/**
 * Give a mapped device whose daemon died a new one; needs the cluster, as the node's own user. The new daemon is
 * another client, and what the kernel held back goes out by it at once: so only while the record is this node's, and it
 * names the new one from then on. Where the record was lost meanwhile the device is cut off. BERTH_RECORD_LOST, errors
 * of the mapper.
 */
export const reattachEntry = (room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<RecoveryOutcome> =>
  ifUnchanged(room, entry, 'reattach', deadline, async (operation, deadline) => {
    operation.step('look');
    const mapping = await room.mappers.mappingOf(entry, deadline);
    const mapper = room.mappers.named(entry.mapper);
    if (mapping === undefined || (await mapper.whyUnserved?.(mapping)) === undefined) return 'changed';
    const found = await mustFindVolume(room, entry.volume, 'node', undefined, deadline);
    const holder = parseHolderRecord(found.head.metadata.get(HOLDER_KEY), entry.volume);
    // Reconciliation lets go of it.
    if (whyNotStaged(holder, room.node) !== undefined) return 'changed';
    const before = await watchersBefore(room, mapper, found, deadline);
    const { volume } = entry;
    const clients = holder?.holders.find(({ node }) => node === room.node)?.clients ?? [];
    operation.step('record clients');
    // Nothing new: but it fails where the record is not ours in this very moment.
    const head = await room.holderRecords.recordStaged(found, clients, deadline);
    operation.step('reattach', mapping.device);
    const options = parseVolumeRecord(head.metadata, volume)?.shape.mapOptions ?? '';
    const { features } = head;
    const request = { image: found.at, fsid: entry.fsid, readOnly: entry.readOnly, features, options };
    const mapped = await mapper.map(request, deadline);
    await recordReattached(room, { entry, mapped, found: { ...found, head }, before }, operation, deadline);
    return 'done';
  });

async function recordReattached(
  room: NodeRoom,
  what: {
    readonly entry: JournalEntry;
    readonly mapped: Mapping;
    readonly found: FoundVolume;
    readonly before: WatchersBefore;
  },
  operation: NodeOperation<'reconcile'>,
  deadline: Deadline,
): Promise<void> {
  const { entry, mapped, found, before } = what;
  operation.step('record clients');
  try {
    const clients = await recordClients(room, mapped, { found, before }, deadline);
    const { mapper, device, readOnly } = mapped;
    operation.step('write outcome');
    await room.journal.write({ ...entry, mapping: { mapper, device, readOnly, clients } });
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_LOST')) await room.mappers.named(mapped.mapper).cutOff(mapped, deadline);
    throw error;
  }
}

/**
 * Unmap what no journal entry knows. The caller knows that it is ours; the mapper refuses while anybody uses it
 * (BERTH_UNMAP_BUSY).
 * @param volume its handle; undefined where it can have none, so that nobody could ask for it
 */
export function dropMapping(
  room: NodeRoom,
  mapping: Mapping,
  volume: string | undefined,
  deadline: Deadline,
): Promise<RecoveryOutcome> {
  const key = volume ?? locationName(mapping.location);
  return asOnlyOperation(room, key, 'drop', deadline, 'wait', async (operation, deadline) => {
    operation.step('look');
    if (volume !== undefined && (await room.journal.read(volume)) !== undefined) return 'changed';
    const mapper = room.mappers.named(mapping.mapper);
    if ((await mapper.find(mapping.location, deadline))?.device !== mapping.device) return 'changed';
    operation.step('drop', mapping.device);
    await mapper.unmap(mapping, deadline);
    return 'done';
  });
}
