/** The GroupController service: each method reads its request, calls one use case and shapes the answer. */
import { berthError } from '../model/errors.js';
import { createGroup, type CreateGroupParts } from '../volume/controller/group/create-group.js';
import { deleteGroup, type DeleteGroupParts } from '../volume/controller/group/delete-group.js';
import type { SeenGroup } from '../volume/controller/group/find-group.js';
import { getGroup, type GetGroupParts } from '../volume/controller/group/get-group.js';
import type { VolumeGroupSnapshot } from './gen/csi/v1/VolumeGroupSnapshot.js';
import type { GroupControllerService } from './grpc-server.js';
import { readSecrets, require } from './read-request.js';
import { refuseParameters, snapshotOf, timestampOf } from './snapshot-calls.js';

export type GroupServiceParts = CreateGroupParts & DeleteGroupParts & GetGroupParts;

export function groupControllerService(parts: GroupServiceParts): Required<GroupControllerService> {
  return {
    GroupControllerGetCapabilities: () =>
      Promise.resolve({ capabilities: [{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }] }),

    async CreateVolumeGroupSnapshot(request, { deadline }) {
      const { name, sourceVolumeIds: volumes, parameters, secrets } = request;
      require({ name });
      if (volumes.length === 0) throw berthError('BERTH_FIELD_MISSING', { field: 'source_volume_ids' });
      refuseParameters(parameters);
      const seen = await createGroup(parts, { name, volumes, secrets: readSecrets(secrets) }, deadline);
      return { groupSnapshot: groupOf(seen) };
    },

    async DeleteVolumeGroupSnapshot({ groupSnapshotId, snapshotIds, secrets }, { deadline }) {
      require({ group_snapshot_id: groupSnapshotId });
      await deleteGroup(parts, groupSnapshotId, snapshotIds, readSecrets(secrets), deadline);
      return {};
    },

    async GetVolumeGroupSnapshot({ groupSnapshotId, snapshotIds, secrets }, { deadline }) {
      require({ group_snapshot_id: groupSnapshotId });
      const seen = await getGroup(parts, groupSnapshotId, snapshotIds, readSecrets(secrets), deadline);
      return { groupSnapshot: groupOf(seen) };
    },
  };
}

/** It can be used at once, as each of its members. */
const groupOf = ({ handle, snapshots, createdAt }: SeenGroup): VolumeGroupSnapshot => ({
  groupSnapshotId: handle,
  snapshots: snapshots.map(snapshotOf),
  creationTime: timestampOf(createdAt),
  readyToUse: true,
});
