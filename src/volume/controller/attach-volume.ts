/** ControllerPublish: the holder record in the image is the attachment, nothing else is. */
import type { HolderRecords } from '../../attachment/holder-records.js';
import type { NodeRegistry } from '../../attachment/node-registry.js';
import type { Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { Clusters } from '../../rbd/clusters.js';
import { checkCapabilities } from '../image/capability-rules.js';
import { mustFindVolume, type Credentials, type ImageLookup } from '../image/find-volume.js';
import type { ControllerOperations } from './controller-operations.js';

/** What an attach reaches: the image, the registered nodes and the holder record; never the orchestrator. */
export interface AttachParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'registry'>;
  readonly nodes: Pick<NodeRegistry, 'isKnown'>;
  readonly holderRecords: Pick<HolderRecords, 'attach'>;
  readonly operations: ControllerOperations;
}

export interface AttachVolume {
  readonly volume: string;
  readonly node: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
}

/**
 * Four OSD operations. BERTH_VOLUME_NOT_FOUND, BERTH_NODE_NOT_FOUND,
 * BERTH_VOLUME_HELD (names the holder), BERTH_PUBLISHED_OTHERWISE.
 */
export async function attachVolume(parts: AttachParts, request: AttachVolume, deadline: Deadline): Promise<void> {
  const { clusters, nodes, holderRecords, operations } = parts;
  const { volume, node, capability, readOnly, secrets } = request;
  checkCapabilities([capability]);
  const what = { op: 'attach', fingerprint: JSON.stringify([node, capability, readOnly]) } as const;
  await operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const { at, head, id } = await mustFindVolume(parts, volume, 'controller', secrets, deadline);
    const registry = await clusters.registry(id.cluster, 'controller', secrets);
    if (!(await nodes.isKnown(registry, node, deadline))) {
      throw berthError('BERTH_NODE_NOT_FOUND', { node, cluster: id.cluster });
    }
    operation.step('holder record');
    const { mode, access } = capability;
    const asked = { volume, node, mode, access: access.kind, readOnly, by: 'controller' } as const;
    await holderRecords.attach(at, head, asked, deadline);
  });
}
