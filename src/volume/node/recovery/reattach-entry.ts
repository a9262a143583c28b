/** Give a mapped device whose daemon died a new one, while the volume is still this node's. */
import { readHolderRecord, whyNotStaged } from '../../../attachment/holder-record.js';
import { isSameNode } from '../../../attachment/node-identity.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { RbdPort } from '../../../rbd/port.js';
import { mustFindVolume, type FoundVolume, type ImageLookup } from '../../image/find-volume.js';
import { mapSettingsOf, parseVolumeRecord } from '../../image/volume-record.js';
import type { NodeOperation } from '../../operation/operations.js';
import { watchersBefore, type ClientParts, type WatchersBefore } from '../client-instances.js';
import { refuseReplaced } from './entry-image.js';
import { recordClients } from '../map-image.js';
import type { NodeHolderRecords } from '../node-holder-records.js';
import type { Mappers } from '../node-mappers.js';
import { ifUnchanged, type RecoveryBody, type RecoveryOutcome, type UnchangedParts } from './as-only-operation.js';

/** Needs the cluster, as the node's own user. */
export interface ReattachParts extends UnchangedParts, ImageLookup, ClientParts {
  readonly journal: Pick<Journal, 'read' | 'write'>;
  readonly rbd: Pick<RbdPort, 'head' | 'watchers'>;
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly holderRecords: Pick<NodeHolderRecords, 'recordStaged'>;
}

/**
 * The new daemon is another client, and what the kernel kept back goes out by it at once: so only while the holder
 * record is this node's, and the record names the new client from then on. Where the record was taken away meanwhile
 * the device is cut off. BERTH_RECORD_LOST, errors of the mapper.
 */
export const reattachEntry = (
  parts: ReattachParts,
  entry: JournalEntry,
  deadline: Deadline,
): Promise<RecoveryOutcome> =>
  ifUnchanged(parts, entry, 'reattach', deadline, reattach(parts, entry), { besideStraggler: true });

const reattach =
  (parts: ReattachParts, entry: JournalEntry): RecoveryBody =>
  async (operation, deadline) => {
    const { mappers, self, holderRecords } = parts;
    const { volume, fsid, readOnly } = entry;
    operation.step('look');
    const mapping = await mappers.mappingOf(entry, deadline);
    const mapper = mappers.named(entry.mapper);
    if (mapping === undefined || (await mapper.whyUnserved?.(mapping)) === undefined) return 'changed';
    const found = await mustFindVolume(parts, volume, 'node', undefined, deadline);
    // A daemon opens the image by its name: what the kernel kept back would be written into another one.
    refuseReplaced(entry, found.head);
    const record = readHolderRecord(found.head, volume);
    // The next round of reconciliation cuts it off.
    if (whyNotStaged(record, self, entry.grant) !== undefined) return 'changed';
    const before = await watchersBefore(parts, mapper, found, deadline);
    const clients = record?.holders.find((one) => isSameNode(one, self))?.clients ?? [];
    operation.step('record clients');
    // Nothing new: but it fails where the record is not ours in this very moment.
    const head = await holderRecords.recordStaged(found, clients, deadline);
    operation.step('reattach', mapping.device);
    const settings = mapSettingsOf(parseVolumeRecord(head.metadata, volume));
    const request = { image: found.at, fsid, readOnly, features: head.features, ...settings };
    const mapped = await mapper.map(request, deadline);
    await recordReattached(parts, { entry, mapped, found: { ...found, head }, before }, operation, deadline);
    return 'done';
  };

interface Reattached {
  readonly entry: JournalEntry;
  readonly mapped: Mapping;
  readonly found: FoundVolume;
  readonly before: WatchersBefore;
}

async function recordReattached(
  parts: ReattachParts,
  { entry, mapped, found, before }: Reattached,
  operation: NodeOperation<'reconcile'>,
  deadline: Deadline,
): Promise<void> {
  operation.step('record clients');
  try {
    const clients = await recordClients(parts, mapped, { found, before }, deadline);
    const { mapper, device, readOnly } = mapped;
    operation.step('write outcome');
    await parts.journal.write({ ...entry, mapping: { mapper, device, readOnly, clients } });
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_LOST')) await parts.mappers.named(mapped.mapper).cutOff(mapped, deadline);
    throw error;
  }
}
