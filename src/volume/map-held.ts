/** Map what this node holds, and write down by which client before anything is written to it: a fence has to know whom it is aimed at. */
import type { ClientInstance } from '../attachment/record.js';
import type { Deadline } from '../model/deadline.js';
import type { Mapper, Mapping, MapRequest } from '../rbd/mapping/mapper.js';
import { clientsOf, watchersBefore } from './clients.js';
import type { NodeOperation, NodeRoom } from './node-room.js';
import type { FoundVolume } from './room.js';

/** RECORD_LOST where the volume was detached meanwhile; errors of the mapper. */
export async function mapHeld(
  room: NodeRoom,
  { mapper, asked, found }: { readonly mapper: Mapper; readonly asked: MapRequest; readonly found: FoundVolume },
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<{ readonly mapping: Mapping; readonly clients: readonly ClientInstance[] }> {
  operation.step('map', `by ${mapper.name}`);
  const before = await watchersBefore(room, mapper, found, deadline);
  const mapping = await mapAsAsked(mapper, asked, operation, deadline);
  operation.step('record clients');
  const clients = await clientsOf(room, mapping, { found, before }, deadline);
  const { node, bootId } = room;
  await room.holders.staged(found.at, found.head, { volume: found.volume, node, bootId, clients }, deadline);
  return { mapping, clients };
}

/** A mapping left by an earlier life of the plugin may be of the other kind: it goes, unless somebody uses it (UNMAP_BUSY). */
async function mapAsAsked(
  mapper: Mapper,
  asked: MapRequest,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<Mapping> {
  const mapping = await mapper.map(asked, deadline);
  if (mapping.readOnly === asked.readOnly) return mapping;
  operation.step('unmap other kind', mapping.device);
  await mapper.unmap(mapping, deadline);
  operation.step('map as asked');
  return mapper.map(asked, deadline);
}
