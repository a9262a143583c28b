/** ControllerPublish: the holder record in the image is the attachment, nothing else is. */
import { randomUUID } from 'node:crypto';
import { decideAttach, type AttachRequest } from '../../attachment/decide-attach.js';
import { holderRecordToTake } from '../../attachment/holder-record.js';
import type { HolderRecords } from '../../attachment/holder-records.js';
import { isSameNode, nameNode, type NodeIdentity, type Installation } from '../../attachment/node-identity.js';
import type { NodeRegistry } from '../../attachment/node-registry.js';
import { asksReadOnly, type Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import type { Clusters } from '../../rbd/clusters.js';
import { checkCapabilities } from '../image/capability-rules.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';
import { mustFindVolume, type Credentials, type FoundVolume, type ImageLookup } from '../image/find-volume.js';
import { refuseStrangers, type StrangerParts } from '../image/refuse-strangers.js';
import type { ControllerOperations } from './controller-operations.js';
import type { Flattens } from './flatten/flattens.js';
import type { ForeignImages } from './list/foreign-images.js';
import { nodeNamed } from './own-holders.js';
import { makeAttachUser, type AttachUserParts } from './users/attach-user.js';

/** What an attach reaches: the image, the registered nodes and the holder record; never the orchestrator. */
export interface AttachParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'registry'>;
  readonly rbd: StrangerParts['rbd'] & AttachUserParts['rbd'] & Pick<RbdPort, 'identify'>;
  /** The same port over the worker for what takes long. */
  readonly longWork: Pick<RbdPort, 'identify'>;
  readonly flattens: Pick<Flattens, 'isAt'>;
  readonly nodes: Pick<NodeRegistry, 'find'>;
  readonly installation: Pick<Installation, 'known'>;
  readonly holderRecords: Pick<HolderRecords, 'attach'>;
  readonly operations: ControllerOperations;
  readonly foreignImages: Pick<ForeignImages, 'forget'>;
  /** Undefined where nodes open volumes by their own user. */
  readonly volumeUsers?: AttachUserParts['volumeUsers'] | undefined;
}

export interface AttachVolume {
  readonly volume: string;
  readonly node: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
}

/**
 * Four OSD operations and, for a new writer, two more at the same time, or an open of the image where somebody has it
 * open. BERTH_VOLUME_NOT_FOUND, BERTH_NODE_NOT_FOUND, BERTH_NODE_ELSEWHERE, BERTH_INSTALLATION_UNKNOWN,
 * BERTH_VOLUME_HELD (names the holder), BERTH_PUBLISHED_OTHERWISE, BERTH_VOLUME_IN_USE where a client has the image
 * open that no record explains, BERTH_VOLUME_USER_FAILED where volumes have users and this one's cannot be made.
 * Answers by which grant the node has it, which it shows when it stages; undefined where an earlier Berth granted it.
 */
export async function attachVolume(
  parts: AttachParts,
  request: AttachVolume,
  deadline: Deadline,
): Promise<string | undefined> {
  const { clusters, installation, holderRecords, operations } = parts;
  const { volume, node, capability, readOnly, secrets } = request;
  checkCapabilities([capability]);
  // Nodes are attached beside each other: the record decides between them, as it does between two controllers.
  const what = { op: 'attach', part: node, fingerprint: JSON.stringify([node, capability, readOnly]) } as const;
  return operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await mustFindVolume(parts, volume, 'controller', secrets, deadline);
    const { at, head, id } = found;
    parts.foreignImages.forget(at, head.id);
    const registry = await clusters.registry(id.cluster, 'controller', deadline, secrets);
    const { mode, access } = capability;
    const named = await nodeNamed(installation, node, deadline);
    const asked = { volume, node: named, mode, access: access.kind, readOnly, by: 'controller' } as const;
    operation.step('watchers');
    await settleAll(
      refuseUnknown(parts, registry, named, deadline),
      asksReadOnly(capability, readOnly) ? Promise.resolve() : refuseOpen(parts, found, { asked, secrets }, deadline),
    );
    operation.step('holder record');
    const grant = await holderRecords.attach(at, head, { ...asked, grant: randomUUID() }, deadline);
    const { rbd, volumeUsers } = parts;
    if (volumeUsers === undefined || grant === undefined) return grant;
    // Behind the record: a user without one is nobody's, and is found by that.
    operation.step('make user');
    const granted = { found, node: named, grant, readOnly: asksReadOnly(capability, readOnly), secrets };
    await makeAttachUser({ rbd, clusters, volumeUsers }, granted, deadline);
    return grant;
  });
}

/**
 * BERTH_NODE_NOT_FOUND. The grant does not name a machine, for the orchestrator does not: whichever bears the node's
 * name and stages the volume first writes itself down.
 */
async function refuseUnknown(
  { nodes }: Pick<AttachParts, 'nodes'>,
  registry: PoolRef,
  named: NodeIdentity,
  deadline: Deadline,
): Promise<void> {
  const { registration, successor, elsewhere } = await nodes.find(registry, named, deadline);
  if (registration !== undefined || successor !== undefined) return;
  const { cluster } = registry.access;
  if (elsewhere === undefined) throw berthError('BERTH_NODE_NOT_FOUND', { node: named.node, cluster });
  const [node, there] = [nameNode(named), elsewhere.installation ?? ''];
  throw berthError('BERTH_NODE_ELSEWHERE', { node, cluster, there: there === '' ? 'none' : there });
}

/**
 * A node that holds it already has it open itself, and whoever may not have it is told by the record. Own is what this
 * controller resizes just now, and what it gives data of its own: a slice of that does a writer no harm.
 */
async function refuseOpen(
  parts: AttachParts,
  found: FoundVolume,
  { asked, secrets }: { readonly asked: AttachRequest; readonly secrets: Credentials | undefined },
  deadline: Deadline,
): Promise<void> {
  const { node, volume } = asked;
  const record = holderRecordToTake(found.head, volume);
  const isHolder = record?.holders.some((one) => isSameNode(one, node)) === true;
  if (isHolder || decideAttach(record, asked, '').kind === 'refused') return;
  const { at, head, id } = found;
  const { pool, namespace } = at;
  const isFlattened = parts.flattens.isAt(id.cluster, { pool, namespace, imageId: head.id });
  const own = isFlattened ? [parts.rbd, parts.longWork] : [parts.rbd];
  const identities = await Promise.all(own.map((port) => port.identify(at.access, deadline)));
  const clients = identities.map(({ instance }) => ({ address: instance }));
  const ownOf = () => ({ clients, unnamed: 0 }) as const;
  await refuseStrangers(parts, { found, node, role: 'controller', secrets, expects: 'nobody', ownOf }, deadline);
}
