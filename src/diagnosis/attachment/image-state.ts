/** Ceph as the comparison of attachments sees it: through the use cases of the driver, never past them. */
import { detachVolume } from '../../volume/controller/detach-volume.js';
import { readHolders } from '../../volume/image/read-holders.js';
import { listVolumes } from '../../volume/controller/list-volumes.js';
import type { ControllerRoom } from '../../volume/controller/controller-room.js';
import type { ImageStates } from './gather-attachment.js';

/** @param role whose cephx user looks; a detach is the controller's */
export const cephOf = (room: ControllerRoom, role: 'controller' | 'node' = 'controller'): ImageStates => ({
  holding: (volume, watchers, deadline) => readHolders(room, { volume, role, watchers }, deadline),
  detach: (volume, node, deadline) => detachVolume(room, { volume, node, secrets: undefined }, deadline),
  async held(deadline) {
    const held: { readonly volume: string; readonly nodes: readonly string[] }[] = [];
    let startingToken = '';
    do {
      const { volumes, nextToken } = await listVolumes(room, { maxEntries: 0, startingToken }, deadline);
      for (const { volume, publishedNodes: nodes } of volumes) if (nodes.length > 0) held.push({ volume, nodes });
      startingToken = nextToken;
    } while (startingToken !== '');
    return held;
  },
});
