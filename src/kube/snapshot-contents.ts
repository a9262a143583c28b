/** VolumeSnapshotContents and VolumeGroupSnapshotContents of a driver: what of each tells which snapshot it means. */
import type { Deadline } from '../model/deadline.js';
import type { KubeApi } from './api.js';
import {
  GROUP_SNAPSHOT_CONTENTS,
  SNAPSHOT_CONTENTS,
  type KubeGroupSnapshotContent,
  type KubeObject,
  type KubeSnapshotContent,
} from './objects.js';

export interface ApiContent {
  /** Of the snapshot, or of the group; undefined while csi-snapshotter has not been told one. */
  readonly handle: string | undefined;
  /** Handles of the volumes that it is, or is to be, taken of; none for one that was there before. */
  readonly volumes: readonly string[];
}

/** All of one driver, read anew. BERTH_KUBE_UNSERVED where the CRD is not installed; other errors of the API. */
export async function listSnapshotContents(
  api: KubeApi,
  driver: string,
  deadline: Deadline,
): Promise<readonly ApiContent[]> {
  const { items } = await api.list(SNAPSHOT_CONTENTS, (raw) => contentFrom(raw, driver), deadline);
  return items;
}

/** As {@link listSnapshotContents}. */
export async function listGroupContents(
  api: KubeApi,
  driver: string,
  deadline: Deadline,
): Promise<readonly ApiContent[]> {
  const { items } = await api.list(GROUP_SNAPSHOT_CONTENTS, (raw) => groupContentFrom(raw, driver), deadline);
  return items;
}

function contentFrom(raw: KubeObject, driver: string): ApiContent | undefined {
  const { spec, status } = raw as KubeSnapshotContent;
  if (spec?.driver !== driver) return undefined;
  const { snapshotHandle, volumeHandle } = spec.source ?? {};
  return {
    handle: status?.snapshotHandle ?? snapshotHandle,
    volumes: volumeHandle === undefined ? [] : [volumeHandle],
  };
}

function groupContentFrom(raw: KubeObject, driver: string): ApiContent | undefined {
  const { spec, status } = raw as KubeGroupSnapshotContent;
  if (spec?.driver !== driver) return undefined;
  const { groupSnapshotHandles, volumeHandles = [] } = spec.source ?? {};
  const handle = status?.volumeGroupSnapshotHandle ?? groupSnapshotHandles?.volumeGroupSnapshotHandle;
  return { handle, volumes: volumeHandles };
}
