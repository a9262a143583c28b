/** How many volumes this node takes: the operator's limit, or what the mapper's kernel side can hold. */
import { berthError, isBerthError } from '../../model/errors.js';
import type { Deadline } from '../../model/deadline.js';
import type { Mapper } from '../../rbd/mapping/mapper.js';
import { sameLocation } from '../../rbd/mapping/location-name.js';
import { locationOf } from './node-mappers.js';
import type { NodeRoom } from './node-room.js';

/** May the node take this volume, too? One that is mapped already has its place. BERTH_NODE_FULL at the limit. */
export async function checkRoomOnNode(
  room: NodeRoom,
  mapper: Mapper,
  { volume, fsid }: { readonly volume: string; readonly fsid: string },
  deadline: Deadline,
): Promise<void> {
  const limit = await volumeLimit(room, mapper);
  const mappings = await mapper.list(deadline);
  const count = mappings.length;
  if (count < limit) return;
  const location = locationOf(volume, fsid);
  const isMapped = mappings.some((one) => location !== undefined && sameLocation(one.location, location));
  if (!isMapped) throw berthError('BERTH_NODE_FULL', { node: room.node, count, limit });
}

/** What NodeGetInfo reports: the operator's limit where it is the smaller one, else what the kernel can hold. */
export async function volumeLimit(room: Pick<NodeRoom, 'maxVolumes'>, mapper: Mapper): Promise<number> {
  const kernel = await mapper.limit();
  return room.maxVolumes === undefined ? kernel : Math.min(room.maxVolumes, kernel);
}

/** The limit of the mapper that this node would choose; 0 (no limit known) where none works. */
export async function nodeLimit(room: NodeRoom): Promise<number> {
  try {
    return await volumeLimit(room, await room.mappers.forChoice('auto'));
  } catch (error) {
    if (isBerthError(error, 'BERTH_MAPPER_UNAVAILABLE')) return 0;
    throw error;
  }
}
