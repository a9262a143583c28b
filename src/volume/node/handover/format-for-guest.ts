/**
 * An image is mapped for a moment, to be formatted by provenance, or checked and grown, before its guest opens it. To
 * be called only where nobody has it open: two kernels on one filesystem destroy it.
 */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { filesystemOfEntry, type JournalEntry } from '../../../journal/entry.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Mapper } from '../../../rbd/mapping/mapper.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { words } from '../../image/parameters.js';
import { mapSettingsOf, type VolumeRecord } from '../../image/volume-record.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { ClientParts, WatchersBefore } from '../client-instances.js';
import type { GuardedGrowthParts } from '../filesystem/guarded-growth.js';
import { growIfSmaller } from '../filesystem/grow-filesystem.js';
import { inspectDevice, typeToMount, type InspectionParts } from '../filesystem/inspect-device.js';
import { prepareFilesystem, type PreparationParts } from '../filesystem/prepare-filesystem.js';
import { recordClients } from '../map-image.js';
import type { NodeHolderRecords } from '../node-holder-records.js';

export interface FormatParts extends InspectionParts, PreparationParts, ClientParts {
  readonly rbd: GuardedGrowthParts['rbd'] & Pick<RbdPort, 'isEmpty' | 'watchers'>;
  readonly formerClients: GuardedGrowthParts['formerClients'];
  readonly holderRecords: Pick<NodeHolderRecords, 'recordStaged'>;
}

export interface ImageToFormat {
  /** With the holder record as this node has taken it. */
  readonly found: FoundVolume;
  readonly record: VolumeRecord | undefined;
  readonly entry: JournalEntry;
  readonly mapper: Pick<Mapper, 'name' | 'map' | 'unmap'>;
  /** False where what is on the image decides about the entry's filesystem. */
  readonly isTypeAsked: boolean;
  /** Nobody had the image open then. */
  readonly watchers: WatchersBefore;
}

/**
 * The filesystem that it has by then; the image is unmapped again when it returns. Errors of the mapper, of format and
 * check, BERTH_RECORD_LOST, BERTH_VOLUME_IN_USE.
 */
export async function formatForGuest(
  parts: FormatParts,
  { found, record, entry, mapper, isTypeAsked, watchers }: ImageToFormat,
  operation: NodeOperation<'handover'>,
  deadline: Deadline,
): Promise<FilesystemType> {
  const { fsid, readOnly } = entry;
  operation.step('map', `by ${mapper.name}`);
  const { features } = found.head;
  const asked = { image: found.at, fsid, readOnly, features, ...mapSettingsOf(record) };
  const mapping = await mapper.map(asked, deadline);
  operation.step('record clients');
  // Before the first write, as a stage does it: a detach takes `staging` without clients for nothing written
  // (decide-detach.ts).
  await recordClients(parts, mapping, { found, before: watchers }, deadline);
  const { device } = mapping;
  const mkfsOptions = words(record?.shape.mkfsOptions ?? '');
  const expected = { type: filesystemOfEntry(entry), isTypeAsked };
  const preparation = { found, device, ...expected, readOnly, mkfsOptions, forGuest: true } as const;
  operation.step('probe');
  const inspection = await inspectDevice(parts, preparation, deadline);
  const fsType = typeToMount(preparation, inspection);
  const isNew = await prepareFilesystem(parts, { ...preparation, type: fsType }, inspection, operation, deadline);
  // What grows only where it is mounted (xfs) does not grow here.
  const mayGrow = !isNew && !readOnly && filesystems[fsType].growUnmounted !== undefined;
  if (mayGrow) {
    const begin = (): void => operation.step('grow filesystem');
    const warning = 'the filesystem could not grow to its device and is handed over as it is';
    const growth = { found, device, type: fsType, mountedAt: undefined, warning };
    await growIfSmaller(parts, growth, begin, operation, deadline);
  }
  operation.step('unmap', device);
  await mapper.unmap(mapping, deadline);
  return fsType;
}
