/** The Controller service: each method reads its request, calls one use case and shapes the answer. */
import type { Deadline } from '../model/deadline.js';
import { berthError, isBerthError } from '../model/errors.js';
import { attachVolume, type AttachParts } from '../volume/controller/attach-volume.js';
import { whyNotUse } from '../volume/image/capability-rules.js';
import { createVolume, type CreateParts } from '../volume/controller/create/create-volume.js';
import { deleteVolume, type DeleteParts } from '../volume/controller/delete/delete-volume.js';
import { detachVolume, type DetachParts } from '../volume/controller/detach/detach-volume.js';
import { expandVolume, type ExpandParts } from '../volume/controller/expand-volume.js';
import { listVolumes, type ListVolumesParts } from '../volume/controller/list/list-volumes.js';
import { getVolume, type GetVolumeParts, type SeenVolume } from '../volume/controller/get-volume.js';
import { whyNotValid } from '../volume/controller/validate-volume.js';
import { availableCapacity, type GetCapacityParts } from '../volume/controller/get-capacity.js';
import type { ImageLookup } from '../volume/image/find-volume.js';
import type { CreateVolumeRequest__Output } from './gen/csi/v1/CreateVolumeRequest.js';
import type { _csi_v1_ControllerServiceCapability_RPC_Type } from './gen/csi/v1/ControllerServiceCapability.js';
import type { ValidateVolumeCapabilitiesRequest__Output } from './gen/csi/v1/ValidateVolumeCapabilitiesRequest.js';
import { contentSourceMessage, readContentSource } from './content-source.js';
import { publishContextOf } from './publish-context.js';
import { readCapabilities, readCapability, readRange, readSecrets, require } from './read-request.js';
import { snapshotCalls, type SnapshotServiceParts } from './snapshot-calls.js';
import type { ControllerService } from './grpc-server.js';

const CAPABILITIES: readonly _csi_v1_ControllerServiceCapability_RPC_Type[] = [
  'CREATE_DELETE_VOLUME',
  'PUBLISH_UNPUBLISH_VOLUME',
  'PUBLISH_READONLY',
  'LIST_VOLUMES',
  'LIST_VOLUMES_PUBLISHED_NODES',
  'GET_VOLUME',
  // Gone in CSI 1.13, which has calls of its own for it.
  'VOLUME_CONDITION',
  'GET_CAPACITY',
  'EXPAND_VOLUME',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'GET_SNAPSHOT',
  'CLONE_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
];

type LifecycleParts = CreateParts & DeleteParts & ExpandParts;
type AttachDetachParts = AttachParts & DetachParts;
type QueryParts = ImageLookup & ListVolumesParts & GetVolumeParts & GetCapacityParts;

/** What the use cases of a controller take together; wiring/ makes it. */
export type ControllerServiceParts = LifecycleParts & AttachDetachParts & QueryParts & SnapshotServiceParts;

export function controllerService(parts: ControllerServiceParts): ControllerService {
  return { ...lifecycle(parts), ...attachment(parts), ...snapshotCalls(parts), ...queries(parts) };
}

function lifecycle(parts: LifecycleParts): ControllerService {
  return {
    async CreateVolume(request, { deadline }) {
      require({ name: request.name });
      refuseUnsupported(request);
      const source = readContentSource(request.volumeContentSource);
      const { volume, sizeBytes } = await createVolume(
        parts,
        {
          name: request.name,
          range: readRange(request.capacityRange),
          capabilities: readCapabilities(request.volumeCapabilities),
          parameters: request.parameters,
          secrets: readSecrets(request.secrets),
          source,
        },
        deadline,
      );
      return { volume: volumeMessage({ volume, sizeBytes, source }) };
    },

    async DeleteVolume(request, { deadline }) {
      require({ volume_id: request.volumeId });
      await deleteVolume(parts, request.volumeId, readSecrets(request.secrets), deadline);
      return {};
    },

    async ControllerExpandVolume(request, { deadline }) {
      require({ volume_id: request.volumeId });
      const { volumeId: volume, capacityRange, secrets, volumeCapability } = request;
      const isBlock = volumeCapability !== null && readCapability(volumeCapability).access.kind === 'block';
      const asked = { volume, range: readRange(capacityRange), secrets: readSecrets(secrets), isBlock };
      const size = await expandVolume(parts, asked, deadline);
      // Also for a raw block volume: not every mapper's device follows the image by itself.
      return { capacityBytes: String(size), nodeExpansionRequired: true };
    },
  };
}

function attachment(parts: AttachDetachParts): ControllerService {
  return {
    async ControllerPublishVolume(request, { deadline }) {
      require({ volume_id: request.volumeId, node_id: request.nodeId });
      const { volumeId: volume, nodeId: node, readonly: readOnly } = request;
      const capability = readCapability(request.volumeCapability);
      const asked = { volume, node, capability, readOnly, secrets: readSecrets(request.secrets) };
      const grant = await attachVolume(parts, asked, deadline);
      return { publishContext: publishContextOf({ readOnly, grant, ownUser: parts.volumeUsers !== undefined }) };
    },

    async ControllerUnpublishVolume(request, { deadline }) {
      require({ volume_id: request.volumeId });
      const { volumeId: volume, nodeId: node } = request;
      await detachVolume(parts, { volume, node, secrets: readSecrets(request.secrets) }, deadline);
      return {};
    },
  };
}

function queries(parts: QueryParts): ControllerService {
  return {
    ControllerGetCapabilities: () => Promise.resolve({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),

    async ValidateVolumeCapabilities(request, { deadline }) {
      require({ volume_id: request.volumeId });
      const { volumeCapabilities, volumeContext, parameters } = request;
      const why = await whyNotConfirmed(parts, request, deadline);
      if (why !== undefined) return { confirmed: null, message: why };
      return { confirmed: { volumeCapabilities, volumeContext, parameters }, message: '' };
    },

    async ListVolumes({ maxEntries, startingToken }, { deadline }) {
      const { volumes, nextToken } = await listVolumes(parts, { maxEntries, startingToken }, deadline);
      return { entries: volumes.map(listEntry), nextToken };
    },

    async ControllerGetVolume(request, { deadline }) {
      require({ volume_id: request.volumeId });
      return listEntry(await getVolume(parts, request.volumeId, deadline));
    },

    async GetCapacity(request, { deadline }) {
      const capabilities = readCapabilities(request.volumeCapabilities);
      if (capabilities.some((one) => whyNotUse(one) !== undefined)) return { availableCapacity: '0' };
      const { available, largest } = await availableCapacity(parts, request.parameters, deadline);
      return {
        availableCapacity: String(available),
        maximumVolumeSize: largest === undefined ? null : { value: String(largest) },
      };
    },
  };
}

/**
 * What cannot be had is an answer here and not an error (CSI 1.12, ValidateVolumeCapabilities); a malformed request
 * still is one.
 */
async function whyNotConfirmed(
  lookup: ImageLookup,
  request: ValidateVolumeCapabilitiesRequest__Output,
  deadline: Deadline,
): Promise<string | undefined> {
  const { volumeId: volume, parameters, mutableParameters } = request;
  try {
    const capabilities = readCapabilities(request.volumeCapabilities);
    const asked = { volume, capabilities, parameters, secrets: readSecrets(request.secrets) };
    const why = await whyNotValid(lookup, asked, deadline);
    return why ?? (Object.keys(mutableParameters).length > 0 ? 'it has no mutable parameters' : undefined);
  } catch (error) {
    if (isBerthError(error, 'BERTH_CAPABILITY_UNSUPPORTED', 'BERTH_PARAMETER_UNKNOWN', 'BERTH_PARAMETER_INVALID'))
      return error.message;
    throw error;
  }
}

const listEntry = ({ publishedNodes, condition, ...seen }: SeenVolume) => ({
  volume: volumeMessage(seen),
  status: { publishedNodeIds: [...publishedNodes], volumeCondition: condition },
});

const volumeMessage = ({ volume, sizeBytes, source }: Pick<SeenVolume, 'volume' | 'sizeBytes' | 'source'>) => ({
  volumeId: volume,
  capacityBytes: String(sizeBytes),
  volumeContext: {},
  contentSource: source === undefined ? null : contentSourceMessage(source),
});

function refuseUnsupported({ mutableParameters }: CreateVolumeRequest__Output): void {
  const [name] = Object.keys(mutableParameters);
  if (name !== undefined) throw berthError('BERTH_MUTABLE_PARAMETER_UNKNOWN', { name });
}
