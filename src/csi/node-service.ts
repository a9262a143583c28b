/** The Node service: each method reads its request, calls one use case and shapes the answer. */
import { berthError } from '../model/errors.js';
import { VolumeStats, type VolumeStatsParts, type VolumeUsage } from '../volume/node/volume-stats.js';
import { nodeLimit, type NodeLimitParts } from '../volume/node/volume-limit.js';
import { expandOnNode, type ExpandOnNodeParts } from '../volume/node/expand-on-node.js';
import { readSandbox } from '../volume/image/parameters.js';
import type { ThisNode } from '../volume/node/node-holder-records.js';
import { publishVolume, type PublishParts } from '../volume/node/publish-volume.js';
import { stageVolume, type StageParts } from '../volume/node/stage-volume.js';
import { unpublishVolume, type UnpublishParts } from '../volume/node/unpublish-volume.js';
import { unstageVolume, type UnstageParts } from '../volume/node/unstage-volume.js';
import type { _csi_v1_NodeServiceCapability_RPC_Type } from './gen/csi/v1/NodeServiceCapability.js';
import type { VolumeUsage as WireUsage } from './gen/csi/v1/VolumeUsage.js';
import { grantOf, OWN_USER, READ_ONLY, rightOf } from './publish-context.js';
import { readCapability, readPod, readRange, readSecrets, require } from './read-request.js';
import type { NodeService } from './grpc-server.js';

const CAPABILITIES: readonly _csi_v1_NodeServiceCapability_RPC_Type[] = [
  'STAGE_UNSTAGE_VOLUME',
  'GET_VOLUME_STATS',
  'EXPAND_VOLUME',
  'VOLUME_MOUNT_GROUP',
  // Gone in CSI 1.13, which has calls of its own for it.
  'VOLUME_CONDITION',
  'SINGLE_NODE_MULTI_WRITER',
];

interface AttacherPart {
  /** Whether the orchestrator attaches every volume before it is staged, as Kubernetes does. */
  readonly attaches: boolean;
}

type StagingParts = StageParts & UnstageParts & AttacherPart;
type PublishingParts = PublishParts & UnpublishParts;
type QueryParts = VolumeStatsParts & ExpandOnNodeParts & NodeLimitParts & Pick<ThisNode, 'self'>;

/** What the use cases of a node take together; wiring/ makes it. */
export type NodeServiceParts = StagingParts & PublishingParts & QueryParts;

export function nodeService(parts: NodeServiceParts): NodeService {
  return { ...staging(parts), ...publishing(parts), ...queriesAndGrowth(parts) };
}

function staging(parts: StagingParts): NodeService {
  return {
    async NodeStageVolume(request, { deadline }) {
      const { volumeId: volume, stagingTargetPath: stagingPath, publishContext } = request;
      require({ volume_id: volume, staging_target_path: stagingPath });
      const capability = readCapability(request.volumeCapability);
      const readOnly = publishContext[READ_ONLY] === 'true';
      const sandbox = readSandbox(request.volumeContext);
      const right = rightOf(publishContext, parts.attaches);
      const ownUser = publishContext[OWN_USER] === 'true' ? (true as const) : undefined;
      const who = { right, secrets: readSecrets(request.secrets), ownUser };
      await stageVolume(parts, { volume, stagingPath, capability, readOnly, sandbox, ...who }, deadline);
      return {};
    },

    async NodeUnstageVolume({ volumeId: volume, stagingTargetPath: stagingPath }, { deadline }) {
      require({ volume_id: volume, staging_target_path: stagingPath });
      await unstageVolume(parts, { volume, stagingPath }, deadline);
      return {};
    },
  };
}

function publishing(parts: PublishingParts): NodeService {
  return {
    async NodePublishVolume(request, { deadline }) {
      const { volumeId: volume, stagingTargetPath: stagingPath, targetPath, readonly: readOnly } = request;
      require({ volume_id: volume, target_path: targetPath });
      const capability = readCapability(request.volumeCapability);
      if (stagingPath === '') throw berthError('BERTH_STAGING_PATH_MISSING', { volume });
      const { volumeContext: context } = request;
      const who = { pod: readPod(context), sandbox: readSandbox(context), secrets: readSecrets(request.secrets) };
      const grant = grantOf(request.publishContext);
      await publishVolume(parts, { volume, stagingPath, targetPath, capability, readOnly, grant, ...who }, deadline);
      return {};
    },

    async NodeUnpublishVolume({ volumeId: volume, targetPath }, { deadline }) {
      require({ volume_id: volume, target_path: targetPath });
      await unpublishVolume(parts, { volume, targetPath }, deadline);
      return {};
    },
  };
}

function queriesAndGrowth(parts: QueryParts): NodeService {
  const stats = new VolumeStats(parts);
  return {
    NodeGetCapabilities: () => Promise.resolve({ capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) }),

    async NodeGetInfo() {
      return { nodeId: parts.self.node, maxVolumesPerNode: String(await nodeLimit(parts)) };
    },

    async NodeGetVolumeStats({ volumeId: volume, volumePath }, { deadline }) {
      require({ volume_id: volume, volume_path: volumePath });
      const { usage, condition } = await stats.read(volume, volumePath, deadline);
      return { usage: usage === undefined ? [] : wireUsage(usage), volumeCondition: condition };
    },

    async NodeExpandVolume(request, { deadline }) {
      const { volumeId: volume, volumePath: path, capacityRange, secrets } = request;
      require({ volume_id: volume, volume_path: path });
      const asked = { volume, path, range: readRange(capacityRange), secrets: readSecrets(secrets) };
      return { capacityBytes: String(await expandOnNode(parts, asked, deadline)) };
    },
  };
}

function wireUsage(usage: VolumeUsage): WireUsage[] {
  if (usage.kind === 'block') return [{ unit: 'BYTES', total: String(usage.totalBytes) }];
  const { bytes, inodes } = usage;
  const one = (unit: 'BYTES' | 'INODES', { total, used, available }: typeof bytes): WireUsage => ({
    unit,
    total: String(total),
    used: String(used),
    available: String(available),
  });
  // A guest may tell bytes alone; none of zero inodes would read as full.
  return [one('BYTES', bytes), ...(inodes.total === 0n ? [] : [one('INODES', inodes)])];
}
