/** ControllerPublish: the holder record in the image is the attachment, nothing else is. */
import type { Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { checkCapabilities } from '../image/capability-rules.js';
import { type ControllerRoom } from './controller-room.js';
import { mustFindVolume, type Credentials } from '../image/find-volume.js';

export interface AttachVolume {
  readonly volume: string;
  readonly node: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
}

/**
 * Four OSD operations. BERTH_VOLUME_NOT_FOUND, BERTH_NODE_NOT_FOUND, BERTH_VOLUME_HELD (names the holder),
 * BERTH_PUBLISHED_OTHERWISE.
 */
export async function attachVolume(room: ControllerRoom, request: AttachVolume, deadline: Deadline): Promise<void> {
  const { volume, node, capability, readOnly, secrets } = request;
  checkCapabilities([capability]);
  const what = { op: 'attach', fingerprint: JSON.stringify([node, capability, readOnly]) } as const;
  await room.operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await mustFindVolume(room, volume, 'controller', secrets, deadline);
    const registry = await room.clusters.registry(found.id.cluster, 'controller', secrets);
    if (!(await room.nodes.isKnown(registry, node, deadline))) {
      throw berthError('BERTH_NODE_NOT_FOUND', { node, cluster: found.id.cluster });
    }
    operation.step('holder record');
    const uid = await uidOf(room, node, deadline);
    const request = {
      volume,
      node,
      mode: capability.mode,
      access: capability.access.kind,
      readOnly,
      by: 'controller' as const,
      ...(uid === undefined ? {} : { uid }),
    };
    await room.holderRecords.attach(found.at, found.head, request, deadline);
  });
}

/** What an orchestrator may take to say it, ms: an attach does not need it. */
const UID_MS = 1_000;

/** For the record: which Node object was meant. */
async function uidOf({ fencing }: ControllerRoom, node: string, deadline: Deadline): Promise<string | undefined> {
  const view = await fencing.nodeStates.of(node, deadline.within(UID_MS)).catch(() => 'unknown' as const);
  return typeof view === 'string' ? undefined : view.uid;
}
