/**
 * Map an image whose holder record this node has taken, and write down by which client before anything is written to
 * it: a fence has to know whom it is aimed at. And unmap what an earlier try left.
 */
import type { Exec } from '../../host/process/exec.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Deadline } from '../../model/deadline.js';
import type { Mapper, Mapping, MapRequest } from '../../rbd/mapping/mapper.js';
import type { FoundVolume } from '../image/find-volume.js';
import type { NodeOperation, Operation } from '../operation/operations.js';
import { clientsOf, type ClientParts, type OpenImage, type WatchersBefore } from './client-instances.js';
import { unmountStaged } from './filesystem/staging-mount.js';
import type { NodeHolderRecords } from './node-holder-records.js';
import type { Mappers } from './node-mappers.js';

/**
 * A mapping left by an earlier life of the plugin may be of the other kind: it goes, unless somebody uses it
 * (BERTH_UNMAP_BUSY). Errors of the mapper.
 */
export async function mapAsAsked(
  mapper: Pick<Mapper, 'name' | 'map' | 'unmap'>,
  asked: MapRequest,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<Mapping> {
  const mapping = await mapper.map(asked, deadline);
  if (mapping.readOnly === asked.readOnly) return mapping;
  await asked.mayOpen;
  operation.step('unmap other kind', mapping.device);
  await mapper.unmap(mapping, deadline);
  operation.step('map as asked');
  return mapper.map(asked, deadline);
}

export interface RecordClientsParts extends ClientParts {
  readonly holderRecords: Pick<NodeHolderRecords, 'recordStaged'>;
}

/**
 * Addresses of its clients, once the holder record names them. BERTH_RECORD_LOST where the volume was detached
 * meanwhile, BERTH_VOLUME_IN_USE where a stranger opened the image meanwhile ({@link WatchersBefore.listAgain}).
 */
export async function recordClients(
  parts: RecordClientsParts,
  mapping: Mapping | OpenImage,
  { found, before }: { readonly found: FoundVolume; readonly before: WatchersBefore },
  deadline: Deadline,
): Promise<readonly string[]> {
  const clients = await clientsOf(parts, mapping, { found, before }, deadline);
  await parts.holderRecords.recordStaged(found, clients, deadline);
  return clients.map(({ address }) => address);
}

/** Needs no cluster. */
export interface UnmapParts {
  readonly mappers: Pick<Mappers, 'mappingOf' | 'named'>;
  readonly exec: Exec;
}

/**
 * Unmount and unmap what the entry is about, where anything of it is mapped, by steps of these names.
 * BERTH_UNMOUNT_BUSY, BERTH_UNMAP_BUSY.
 */
export async function unmountAndUnmap<Step extends string>(
  { mappers, exec }: UnmapParts,
  entry: JournalEntry,
  { step, unmount, unmap }: { readonly step: Operation<Step>['step']; readonly unmount: Step; readonly unmap: Step },
  deadline: Deadline,
): Promise<void> {
  const mapping = await mappers.mappingOf(entry, deadline);
  if (mapping === undefined) return;
  step(unmount);
  if (entry.access === 'mount') await unmountStaged({ exec }, entry.stagingPath, mapping.device, deadline);
  step(unmap, mapping.device);
  await mappers.named(entry.mapper).unmap(mapping, deadline);
}
