/**
 * Map what this node holds, and write down by which client before anything is written to it: a fence has to know whom
 * it is aimed at.
 */
import type { Deadline } from '../../model/deadline.js';
import type { Mapper, Mapping, MapRequest } from '../../rbd/mapping/mapper.js';
import { clientsOf, type WatchersBefore } from './client-instances.js';
import type { NodeRoom } from './node-room.js';
import type { NodeOperation } from '../operation/operations.js';
import type { FoundVolume } from '../image/find-volume.js';

/**
 * A mapping left by an earlier life of the plugin may be of the other kind: it goes, unless somebody uses it
 * (BERTH_UNMAP_BUSY). Errors of the mapper.
 */
export async function mapAsAsked(
  mapper: Mapper,
  asked: MapRequest,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<Mapping> {
  operation.step('map', `by ${mapper.name}`);
  const mapping = await mapper.map(asked, deadline);
  if (mapping.readOnly === asked.readOnly) return mapping;
  operation.step('unmap other kind', mapping.device);
  await mapper.unmap(mapping, deadline);
  operation.step('map as asked');
  return mapper.map(asked, deadline);
}

/**
 * Addresses of its clients, once the holder record names them. BERTH_RECORD_LOST where the volume was detached
 * meanwhile.
 */
export async function recordClients(
  room: NodeRoom,
  mapping: Mapping,
  { found, before }: { readonly found: FoundVolume; readonly before: WatchersBefore },
  deadline: Deadline,
): Promise<readonly string[]> {
  const clients = await clientsOf(room, mapping, { found, before }, deadline);
  await room.holderRecords.recordStaged(found, clients, deadline);
  return clients.map(({ address }) => address);
}
