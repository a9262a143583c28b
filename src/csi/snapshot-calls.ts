/** The calls of the Controller service that are about snapshots: each reads its request and shapes the answer. */
import { berthError } from '../model/errors.js';
import { createSnapshot, type CreateSnapshotParts } from '../volume/controller/snapshot/create-snapshot.js';
import { deleteSnapshot, type DeleteSnapshotParts } from '../volume/controller/snapshot/delete-snapshot.js';
import type { SeenSnapshot } from '../volume/controller/snapshot/find-snapshot.js';
import { getSnapshot, type GetSnapshotParts } from '../volume/controller/snapshot/get-snapshot.js';
import { listSnapshots, type ListSnapshotsParts } from '../volume/controller/snapshot/list-snapshots.js';
import type { Snapshot } from './gen/csi/v1/Snapshot.js';
import type { ControllerService } from './grpc-server.js';
import { readSecrets, require } from './read-request.js';

export type SnapshotServiceParts = CreateSnapshotParts & DeleteSnapshotParts & GetSnapshotParts & ListSnapshotsParts;

export function snapshotCalls(parts: SnapshotServiceParts): ControllerService {
  return {
    async CreateSnapshot(request, { deadline }) {
      const { name, sourceVolumeId: volume, parameters, secrets } = request;
      require({ name, source_volume_id: volume });
      refuseParameters(parameters);
      const seen = await createSnapshot(parts, { name, volume, secrets: readSecrets(secrets) }, deadline);
      return { snapshot: snapshotOf(seen) };
    },

    async DeleteSnapshot({ snapshotId, secrets }, { deadline }) {
      require({ snapshot_id: snapshotId });
      await deleteSnapshot(parts, snapshotId, readSecrets(secrets), deadline);
      return {};
    },

    async ListSnapshots(request, { deadline }) {
      const { maxEntries, startingToken, sourceVolumeId: volume, snapshotId: snapshot, secrets } = request;
      const asked = { maxEntries, startingToken, volume, snapshot, secrets: readSecrets(secrets) };
      const { snapshots, nextToken } = await listSnapshots(parts, asked, deadline);
      return { entries: snapshots.map((seen) => ({ snapshot: snapshotOf(seen) })), nextToken };
    },

    async GetSnapshot({ snapshotId, secrets }, { deadline }) {
      require({ snapshot_id: snapshotId });
      return { snapshot: snapshotOf(await getSnapshot(parts, snapshotId, readSecrets(secrets), deadline)) };
    },
  };
}

/** What a snapshotter with --extra-create-metadata adds. */
const OF_THE_SIDECAR = 'csi.storage.k8s.io/';

export function refuseParameters(parameters: Readonly<Record<string, string>>): void {
  const name = Object.keys(parameters).find((one) => !one.startsWith(OF_THE_SIDECAR));
  if (name !== undefined) throw berthError('BERTH_SNAPSHOT_PARAMETER_UNKNOWN', { name });
}

/** It can be used at once: whatever was written before the cut is in it. */
export function snapshotOf({ handle, volume, sizeBytes, createdAt, group = '' }: SeenSnapshot): Snapshot {
  return {
    snapshotId: handle,
    sourceVolumeId: volume,
    sizeBytes: String(sizeBytes),
    creationTime: timestampOf(createdAt),
    readyToUse: true,
    groupSnapshotId: group,
  };
}

export function timestampOf(date: Date): { readonly seconds: string; readonly nanos: number } {
  const ms = date.getTime();
  return { seconds: String(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 };
}
