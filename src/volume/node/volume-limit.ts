/** How many volumes this node takes: the operator's limit, or what the mapper's kernel side can map. */
import type { NodeIdentity } from '../../attachment/node-identity.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { Deadline } from '../../model/deadline.js';
import type { Mapper } from '../../rbd/mapping/mapper.js';
import { sameLocation } from '../../rbd/mapping/location-name.js';
import { locationOf, type Mappers } from './node-mappers.js';

/** An operator's own limit of volumes on this node; undefined takes what the mapper can. */
export interface VolumeLimit {
  readonly maxVolumes: number | undefined;
}

/** May the node take this volume, too? One that is mapped already is counted already. BERTH_NODE_FULL at the limit. */
export async function refuseFullNode(
  { self, maxVolumes }: VolumeLimit & { readonly self: NodeIdentity },
  mapper: Pick<Mapper, 'limit' | 'list'>,
  { volume, fsid }: { readonly volume: string; readonly fsid: string },
  deadline: Deadline,
): Promise<void> {
  const limit = await volumeLimit(maxVolumes, mapper);
  const mappings = await mapper.list(deadline);
  const count = mappings.length;
  if (count < limit) return;
  const location = locationOf(volume, fsid);
  const isMapped = mappings.some((one) => location !== undefined && sameLocation(one.location, location));
  if (!isMapped) throw berthError('BERTH_NODE_FULL', { node: self.node, count, limit });
}

export interface NodeLimitParts extends VolumeLimit {
  readonly mappers: Pick<Mappers, 'forChoice'>;
}

/** What NodeGetInfo reports, for the mapper that this node would choose; 0 (no limit known) where none works. */
export async function nodeLimit({ maxVolumes, mappers }: NodeLimitParts): Promise<number> {
  try {
    return await volumeLimit(maxVolumes, await mappers.forChoice('auto'));
  } catch (error) {
    if (isBerthError(error, 'BERTH_MAPPER_UNAVAILABLE')) return 0;
    throw error;
  }
}

/** The operator's limit where it is the smaller one, else what the kernel can map. */
async function volumeLimit(maxVolumes: number | undefined, mapper: Pick<Mapper, 'limit'>): Promise<number> {
  const kernel = await mapper.limit();
  return maxVolumes === undefined ? kernel : Math.min(maxVolumes, kernel);
}
