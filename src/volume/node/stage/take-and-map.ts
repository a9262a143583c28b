/**
 * Takes the holder record and maps the image: the mapper makes itself ready while the record is taken, and opens the
 * image when it is.
 */
import type { Right } from '../../../attachment/decide-take.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { settleAll } from '../../../model/settle-all.js';
import type { Mapper, Mapping } from '../../../rbd/mapping/mapper.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { isHalfGrown } from '../../image/growth-record.js';
import { mapSettingsOf, type VolumeRecord } from '../../image/volume-record.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { WatchersBefore } from '../client-instances.js';
import { settleGrowth, type SettleParts } from '../filesystem/settle-growth.js';
import { mapAsAsked } from '../map-image.js';
import type { NodeHolderRecords } from '../node-holder-records.js';
import { onceOpen, type OnceOpen, type OnceOpenParts } from './once-open.js';

export interface TakeAndMapParts extends OnceOpenParts, SettleParts {
  readonly rbd: OnceOpenParts['rbd'] & SettleParts['rbd'] & Pick<RbdPort, 'openAhead'>;
  readonly holderRecords: OnceOpenParts['holderRecords'] & Pick<NodeHolderRecords, 'take'>;
}

export interface ImageToTake {
  readonly entry: JournalEntry;
  /** As it was before its record was taken. */
  readonly found: FoundVolume;
  readonly right: Right;
  readonly record: VolumeRecord | undefined;
  readonly mapper: Mapper;
  /** Who had it open, and how that is asked again. */
  readonly before: WatchersBefore;
  /** It is to get its first filesystem. */
  readonly isNew: boolean;
}

export interface TakenImage {
  /** With the holder record as this node has it now, and no growth half done. */
  readonly found: FoundVolume;
  readonly mapping: Mapping;
  readonly early: OnceOpen;
}

/** Errors of the holder record, of {@link settleGrowth} and of the mapper. */
export async function takeAndMap(
  parts: TakeAndMapParts,
  image: ImageToTake,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<TakenImage> {
  const { entry, found, record, mapper, before, isNew } = image;
  const { fsid, readOnly } = entry;
  const goesBack = isHalfGrown(found);
  operation.step('take holder record');
  const taking = take(parts, image, operation, deadline);
  // To go back takes its time, and nobody is to wait for the mapper meanwhile.
  if (goesBack) await taking;
  const mayOpen = taking.then(() => {
    operation.step('map', `by ${mapper.name}`);
    // Who has it open is asked when it is mapped, and whether it is empty: an open takes as long as a map.
    if (before.listAgain !== undefined) parts.rbd.openAhead(found.at, deadline).catch(() => undefined);
  });
  mayOpen.catch(() => undefined);
  const early = onceOpen(parts, { taking, mapper, readOnly, before, isNew }, operation, deadline);
  const { opened } = early;
  const { features } = found.head;
  const asked = { image: found.at, fsid, readOnly, features, ...mapSettingsOf(record), mayOpen, opened };
  try {
    const [taken, mapping] = await settleAll(taking, mapAsAsked(mapper, asked, operation, deadline));
    return { found: taken, mapping, early };
  } catch (error) {
    await early.settled();
    throw error;
  }
}

async function take(
  parts: TakeAndMapParts,
  { entry, found, right }: Pick<ImageToTake, 'entry' | 'found' | 'right'>,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<FoundVolume> {
  const held = { ...found, head: await parts.holderRecords.take(found, entry, right, deadline) };
  return settleGrowth(parts, { found: held, readOnly: entry.readOnly }, operation, deadline);
}
