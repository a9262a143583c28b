/**
 * Take an image back from a runtime that opened it by itself: from the journal and the file alone; what is not there is
 * a success.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HOLDER_KEY, parseHolderRecord, whyNotStaged } from '../../../attachment/holder-record.js';
import type { JournalEntry } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { ImageHead, Watcher } from '../../../rbd/port.js';
import { removeHandOverFile } from '../../../sandbox/hyperd/hand-over-file.js';
import { entryToUndo, writeIfPossible } from '../journal-faults.js';
import { type NodeRoom } from '../node-room.js';
import { type NodeOperation } from '../../operation/operations.js';
import { locate } from '../../image/find-volume.js';

/**
 * How long a guest may take to let go of its disk, in ms: hyperd stops it before the kubelet unmounts, QEMU takes a
 * moment to end.
 */
const GUEST_END_MS = 5_000;
const POLL_MS = 200;
/** How long Ceph may take to say who has the image open, in ms: a volume leaves a node whose cluster is down. */
const ASK_MS = 5_000;

/**
 * BERTH_VOLUME_IN_USE while a client still has the image open: the file is gone then, and the record stays this node's.
 */
export async function reclaimImage(
  room: NodeRoom,
  { volume, directory }: { readonly volume: string; readonly directory: string },
  deadline: Deadline,
): Promise<void> {
  const what = { op: 'takeback', fingerprint: directory } as const;
  await room.operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('read journal');
    const read = await entryToUndo(room, volume);
    const entry = read === 'damaged' ? undefined : read;
    const isElsewhere = entry !== undefined && (entry.handedTo === undefined || entry.stagingPath !== directory);
    if (entry === undefined || isElsewhere) {
      operation.step('remove file');
      await removeHandOverFile(directory);
      // Without an entry the record may be what a lost hand-over left, unless the volume is here in another way.
      if (isElsewhere || (await room.mappers.findUnrecorded(volume, deadline)) !== undefined) return;
    } else await takeDown(room, entry, operation, deadline);
    operation.step('watchers');
    const use: Use = entry?.holdsRecord === false ? { is: 'closed' } : await useOf(room, volume, entry, deadline);
    if (use.is === 'open') throw berthError('BERTH_VOLUME_IN_USE', { volume, who: use.who });
    // Kept as `unstaging` where the record stays ours: reconciliation gives it back when the cluster answers again.
    if (use.is === 'unknown') return;
    if (entry?.holdsRecord !== false) {
      operation.step('give holder record back');
      if (!(await room.holderRecords.giveBack(volume))) return;
    }
    operation.step('remove journal');
    const { journal } = room;
    await writeIfPossible(room, volume, () => (read === 'damaged' ? journal.setAside(volume) : journal.remove(volume)));
  });
}

async function takeDown(
  room: NodeRoom,
  entry: JournalEntry,
  operation: NodeOperation<'takeback'>,
  deadline: Deadline,
): Promise<void> {
  operation.step('write unstaging');
  await writeIfPossible(room, entry.volume, () => room.journal.write({ ...entry, state: 'unstaging' }));
  operation.step('remove file');
  await removeHandOverFile(entry.stagingPath);
  const mapping = await room.mappers.mappingOf(entry, deadline);
  if (mapping === undefined) return;
  // Of a hand-over that was cut short.
  operation.step('unmap leftover', mapping.device);
  await room.mappers.named(entry.mapper).unmap(mapping, deadline);
}

/** Who has an image open for writing, as Ceph has it; `unknown` where Ceph does not say. */
type Use = { readonly is: 'closed' | 'unknown' } | { readonly is: 'open'; readonly who: string };

/** After all patience. */
async function useOf(
  room: NodeRoom,
  volume: string,
  entry: JournalEntry | undefined,
  deadline: Deadline,
): Promise<Use> {
  const patience = deadline.within(GUEST_END_MS);
  for (;;) {
    const use = await look(room, volume, entry, Deadline.after(ASK_MS));
    if (use.is !== 'open' || patience.expired) return use;
    await sleep(POLL_MS);
  }
}

/**
 * For reconciliation: `closed` lets the record be given back. Removes a file that could not be removed before.
 * BERTH_HAND_OVER_FAILED.
 */
export async function imageUseNow(room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<Use['is']> {
  await removeHandOverFile(entry.stagingPath);
  return (await look(room, entry.volume, entry, deadline)).is;
}

/**
 * `closed` too for a volume that is gone, `unknown` for one that clusters.yaml does not list now: see
 * NodeHolderRecords.giveBack.
 */
async function look(room: NodeRoom, volume: string, entry: JournalEntry | undefined, deadline: Deadline): Promise<Use> {
  const clients = entry?.guestClients ?? [];
  try {
    const place = await locate(room.clusters, volume, 'node', undefined);
    if (place === undefined) return { is: parseVolumeId(volume) === undefined ? 'closed' : 'unknown' };
    const head = await room.rbd.head(place.at, deadline);
    if (head === undefined) return { is: 'closed' };
    const { watchers } = await room.rbd.inspect(place.at, deadline);
    // What was lost to another node is open there, by clients that are none of ours.
    const ours = isHere(room, head, volume) ? watchers : watchers.filter(({ address }) => clients.includes(address));
    if (ours.length === 0) return { is: 'closed' };
    return { is: 'open', who: describeWatchers(ours) };
  } catch (error) {
    room.log.warn({ volume, err: error }, 'who has the image open could not be told; the holder record stays for now');
    return { is: 'unknown' };
  }
}

/** Does the record say that this node may have it open? One that says nothing at all does not say otherwise. */
function isHere({ node }: NodeRoom, { metadata }: ImageHead, volume: string): boolean {
  const record = parseHolderRecord(metadata.get(HOLDER_KEY), volume);
  return record === undefined || whyNotStaged(record, node) === undefined;
}

export const describeWatchers = (watchers: readonly Watcher[]): string =>
  watchers.map(({ address, client }) => `client.${client} at ${address}`).join(', ');
