/** What images say of their holders, through the use cases of the driver, never past them. */
import { parseVolumeId } from '../../model/volume-id.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import { describeImage } from '../../volume/image/look/describe-image.js';
import { readHolders, type ReadHoldersParts } from '../../volume/image/read-holders.js';
import { listVolumes, type ListVolumesParts } from '../../volume/controller/list/list-volumes.js';
import type { ImageDescriptions, ImageStates } from './gather-attachment.js';

export type ImageStateParts = ReadHoldersParts &
  ListVolumesParts & {
    readonly rbd: Pick<RbdPort, 'health'>;
    readonly clusters: Pick<Clusters, 'get' | 'access'>;
  };

/** @param role whose cephx user asks */
export const imageStates = (
  parts: ImageStateParts,
  role: 'controller' | 'node' = 'controller',
): ImageStates & ImageDescriptions => ({
  readHolders: (volume, watchers, deadline) => readHolders(parts, { volume, role, watchers }, deadline),
  describe: (volume, deadline) => describeImage(parts, { volume, role }, deadline),
  async health(volume, deadline) {
    const config = await parts.clusters.get(parseVolumeId(volume)?.cluster ?? volume);
    return parts.rbd.health(await parts.clusters.access(config, role), deadline);
  },
  async listHolders(deadline, leftOut) {
    const found: { readonly volume: string; readonly nodes: readonly string[] }[] = [];
    let startingToken = '';
    do {
      const { volumes, nextToken } = await listVolumes(parts, { maxEntries: 0, startingToken, leftOut }, deadline);
      for (const { volume, publishedNodes: nodes } of volumes) if (nodes.length > 0) found.push({ volume, nodes });
      startingToken = nextToken;
    } while (startingToken !== '');
    return found;
  },
});
