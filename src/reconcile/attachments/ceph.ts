/** Ceph as the comparison of attachments sees it: through the use cases of the driver, never past them. */
import { detachVolume } from '../../volume/detach.js';
import { holdingOf } from '../../volume/holding.js';
import { listVolumes } from '../../volume/list.js';
import type { ControllerRoom } from '../../volume/room.js';
import type { Ceph } from './gather.js';

/** @param role whose cephx user looks; a detach is the controller's */
export const cephOf = (room: ControllerRoom, role: 'controller' | 'node' = 'controller'): Ceph => ({
  holding: (volume, watchers, deadline) => holdingOf(room, { volume, role, watchers }, deadline),
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
