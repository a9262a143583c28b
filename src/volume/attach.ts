/** ControllerPublish and ControllerUnpublish: the holder record in the image is the attachment, nothing else is. */
import type { Capability } from '../model/capability.js';
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';
import { HOLDER_KEY, parseHolderRecord } from '../attachment/record.js';
import { checkCapabilities } from './capability-rules.js';
import { findVolume, mustFindVolume, refuseUnlisted, type ControllerRoom, type Credentials } from './room.js';

export interface AttachVolume {
  readonly volume: string;
  readonly node: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
}

/** Four OSD operations. VOLUME_NOT_FOUND, NODE_NOT_FOUND, VOLUME_HELD (names the holder), PUBLISHED_OTHERWISE. */
export async function attachVolume(room: ControllerRoom, request: AttachVolume, deadline: Deadline): Promise<void> {
  const { volume, node, capability, readOnly, secrets } = request;
  checkCapabilities([capability]);
  const what = { op: 'attach', fingerprint: JSON.stringify([node, capability, readOnly]) } as const;
  await room.operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await mustFindVolume(room, volume, 'controller', secrets, deadline);
    const registry = await room.clusters.registry(found.id.cluster, 'controller', secrets);
    if (!(await room.nodes.isKnown(registry, node, deadline))) {
      throw fail('NODE_NOT_FOUND', { node, cluster: found.id.cluster });
    }
    operation.step('holder record');
    const request = {
      volume,
      node,
      mode: capability.mode,
      access: capability.access.kind,
      readOnly,
      by: 'controller' as const,
    };
    await room.holders.attach(found.at, found.head, request, deadline);
  });
}

/**
 * Take the volume from a node, '' for every node. A volume or holder that is gone is a success. While a client still has the image
 * open DETACH_UNPROVEN keeps the attachment: the other node must not get it before the first has provably let go.
 */
export async function detachVolume(
  room: ControllerRoom,
  request: { readonly volume: string; readonly node: string; readonly secrets: Credentials | undefined },
  deadline: Deadline,
): Promise<void> {
  const { volume, node, secrets } = request;
  await room.operations.run(volume, { op: 'detach', fingerprint: node }, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await findVolume(room, volume, 'controller', secrets, deadline);
    if (found === undefined) return refuseUnlisted(room.clusters, volume);
    const record = parseHolderRecord(found.head.metadata.get(HOLDER_KEY), volume);
    if (record === undefined || (node !== '' && !record.holders.some((one) => one.node === node))) return;
    // With several holders a watcher cannot be told to be this node's; whoever is the last has to be gone before anybody else comes.
    if (node === '' || record.holders.length === 1) {
      operation.step('watchers');
      const { watchers } = await room.rbd.inspect(found.at, deadline);
      if (watchers.length > 0) {
        const who = watchers.map((one) => one.address).join(', ');
        throw fail('DETACH_UNPROVEN', { volume, node: record.holders[0].node, who });
      }
    }
    operation.step('holder record');
    await room.holders.detach(found.at, found.head, volume, node, deadline);
  });
}
