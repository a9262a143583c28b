/**
 * Reclaim an image from a runtime that opened it by itself: by the journal and the file alone, until Ceph is asked
 * whether the guest has closed it. What is not there is a success.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { removeHandOverFile } from '../../../sandbox/hyperd/hand-over-file.js';
import type { NodeOperation, Operations } from '../../operation/operations.js';
import type { NodeSteps } from '../../operation/steps.js';
import { entryToUndo, writeIfPossible } from '../journal-faults.js';
import type { NodeHolderRecords } from '../node-holder-records.js';
import type { Mappers } from '../node-mappers.js';
import { readImageUse, type ImageUse, type ImageUseParts } from './image-use.js';

/**
 * How long a guest may take to let go of its disk, in ms: hyperd stops it before the kubelet unmounts, QEMU takes a
 * moment to end.
 */
const GUEST_END_MS = 5_000;
const POLL_MS = 200;
/** How long Ceph may take to say who has the image open, in ms: a volume leaves a node whose cluster is down. */
const ASK_MS = 5_000;

export interface ReclaimParts extends ImageUseParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'read' | 'write' | 'remove' | 'setAside'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named' | 'findUnrecorded'>;
  readonly holderRecords: Pick<NodeHolderRecords, 'giveBack'>;
}

export interface ReclaimImage {
  readonly volume: string;
  readonly directory: string;
}

/**
 * BERTH_VOLUME_IN_USE while a client still has the image open: the file is gone then, and the record stays this node's.
 */
export async function reclaimImage(
  parts: ReclaimParts,
  { volume, directory }: ReclaimImage,
  deadline: Deadline,
): Promise<void> {
  const { operations, journal, mappers, holderRecords } = parts;
  const what = { op: 'takeback', fingerprint: directory } as const;
  await operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('read journal');
    const read = await entryToUndo(parts, volume);
    const entry = read === 'damaged' ? undefined : read;
    const isElsewhere = entry !== undefined && (entry.handedTo === undefined || entry.stagingPath !== directory);
    if (entry === undefined || isElsewhere) {
      operation.step('remove file');
      await removeHandOverFile(directory);
      // Without an entry the record may be what a hand-over of a lost journal left, unless the volume is here in
      // another way.
      if (isElsewhere || (await mappers.findUnrecorded(volume, deadline)) !== undefined) return;
    } else await takeFileAndMapping(parts, entry, operation, deadline);
    operation.step('watchers');
    const use: ImageUse =
      entry?.holdsRecord === false ? { is: 'closed' } : await useOnceGuestEnds(parts, volume, entry, deadline);
    if (use.is === 'open') throw berthError('BERTH_VOLUME_IN_USE', { volume, who: use.who });
    // Kept as `unstaging` where the record stays ours: reconciliation gives it back when the cluster answers again.
    if (use.is === 'unknown') return;
    if (entry?.holdsRecord !== false) {
      operation.step('give holder record back');
      if (!(await holderRecords.giveBack(entry ?? { volume }))) return;
    }
    operation.step('remove journal');
    const isDamaged = read === 'damaged';
    await writeIfPossible(parts, volume, () => (isDamaged ? journal.setAside(volume) : journal.remove(volume)));
  });
}

/** Nobody finds the image any more by our word, and this node has nothing of it mapped. */
async function takeFileAndMapping(
  parts: ReclaimParts,
  entry: JournalEntry,
  operation: NodeOperation<'takeback'>,
  deadline: Deadline,
): Promise<void> {
  const { journal, mappers } = parts;
  operation.step('write unstaging');
  await writeIfPossible(parts, entry.volume, () => journal.write({ ...entry, state: 'unstaging' }));
  operation.step('remove file');
  await removeHandOverFile(entry.stagingPath);
  const mapping = await mappers.mappingOf(entry, deadline);
  if (mapping === undefined) return;
  // A hand-over that was cut short may have left the image mapped.
  operation.step('unmap leftover', mapping.device);
  await mappers.named(entry.mapper).unmap(mapping, deadline);
}

/** `open` only where the guest has not ended in all the time that it is given. */
async function useOnceGuestEnds(
  parts: ImageUseParts,
  volume: string,
  entry: JournalEntry | undefined,
  deadline: Deadline,
): Promise<ImageUse> {
  const patience = deadline.within(GUEST_END_MS);
  for (;;) {
    const use = await readImageUse(parts, volume, entry, Deadline.after(ASK_MS));
    if (use.is !== 'open' || patience.expired) return use;
    await sleep(POLL_MS);
  }
}
