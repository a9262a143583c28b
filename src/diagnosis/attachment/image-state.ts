/** Ceph as the comparison of attachments sees it: through the use cases of the driver, never past them. */
import { detachVolume, type DetachParts } from '../../volume/controller/detach/detach-volume.js';
import { readHolders, type ReadHoldersParts } from '../../volume/image/read-holders.js';
import { listVolumes, type ListVolumesParts } from '../../volume/controller/list-volumes.js';
import type { ImageStates } from './gather-attachment.js';

export type CephParts = ReadHoldersParts & ListVolumesParts & DetachParts;

/** @param role whose cephx user looks; a detach is the controller's */
export const cephOf = (parts: CephParts, role: 'controller' | 'node' = 'controller'): ImageStates => ({
  holding: (volume, watchers, deadline) => readHolders(parts, { volume, role, watchers }, deadline),
  detach: (volume, node, deadline) => detachVolume(parts, { volume, node, secrets: undefined }, deadline),
  async held(deadline) {
    const held: { readonly volume: string; readonly nodes: readonly string[] }[] = [];
    let startingToken = '';
    do {
      const { volumes, nextToken } = await listVolumes(parts, { maxEntries: 0, startingToken }, deadline);
      for (const { volume, publishedNodes: nodes } of volumes) if (nodes.length > 0) held.push({ volume, nodes });
      startingToken = nextToken;
    } while (startingToken !== '');
    return held;
  },
});
