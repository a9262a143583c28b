/**
 * A volume straight to one pod's directory and away again, for orchestrators that know no staging: by the directory
 * alone.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { deviceNumber } from '../../host/device/block-device.js';
import { mountAt } from '../../host/mount/mountinfo.js';
import { resolveTarget } from '../../host/mount/target-path.js';
import type { Capability, FilesystemType } from '../../model/capability.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { formatVolumeId } from '../../model/volume-id.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import { readHandOverFile } from '../../sandbox/hyperd/hand-over-file.js';
import { guardedVolume } from '../../sandbox/kata/guard.js';
import type { Pod } from '../../sandbox/pod.js';
import { type NodeRoom } from '../node/node-room.js';
import { UNDO_MS } from '../operation/undo-stack.js';
import type { SandboxParameters } from '../image/parameters.js';
import { publishVolume } from '../node/publish-volume.js';
import type { Credentials } from '../image/find-volume.js';
import { stageVolume } from '../node/stage-volume.js';
import { reclaimImage } from '../node/handover/reclaim-image.js';
import { unpublishVolume } from '../node/unpublish-volume.js';
import { unstageVolume } from '../node/unstage-volume.js';

export interface MountForPod {
  readonly volume: string;
  readonly directory: string;
  readonly fsType: FilesystemType | undefined;
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
  readonly sandbox: SandboxParameters;
  /** Undefined where the orchestrator does not say. */
  readonly pod?: Pod | undefined;
}

/** FlexVolume says neither mode nor nodes: one node writes, with several pods; any node reads. */
export const capabilityOf = ({ fsType, readOnly }: Pick<MountForPod, 'fsType' | 'readOnly'>): Capability => ({
  access: { kind: 'mount', fsType, mountFlags: [], group: '' },
  mode: readOnly ? 'MULTI_NODE_READER_ONLY' : 'SINGLE_NODE_MULTI_WRITER',
});

/**
 * Where a volume is staged that nobody stages: below the kubelet's plugins, so that its mount outlives the driver's
 * container.
 */
export const ownStagingPath = (root: string, volume: string): string =>
  path.join(root, createHash('sha256').update(volume).digest('hex').slice(0, 32));

/** Errors of {@link stageVolume}. */
const stageAt = (
  room: NodeRoom,
  { directory: stagingPath, ...what }: MountForPod & { readonly withPods?: true },
  deadline: Deadline,
) => stageVolume(room, { ...what, stagingPath, capability: capabilityOf(what) }, deadline);

/**
 * Stage at a path of the orchestrator's own, mounted when this is done: BERTH_HOST_MOUNT_REFUSED where a guest's
 * filesystem may not be, and nothing is staged then, for nobody would ask to unstage what is no mount. Errors of {@link
 * stageVolume}.
 */
export async function stageForHost(room: NodeRoom, request: MountForPod, deadline: Deadline): Promise<void> {
  await stageAt(room, request, deadline);
  const { volume } = request;
  const entry = await room.journal.read(volume);
  if (entry?.guest?.mounted !== false) return;
  const { stagingPath } = entry;
  await unstageVolume(room, { volume, stagingPath }, Deadline.after(UNDO_MS)).catch((left: unknown) => {
    room.log.warn({ volume, err: left }, 'a volume that may not be mounted here stays staged');
  });
  throw berthError('BERTH_HOST_MOUNT_REFUSED', { volume });
}

/** Stage, at the path where it is staged already or at our own, and publish. Errors of both. */
export async function mountForPod(
  room: NodeRoom,
  request: MountForPod,
  stagingRoot: string,
  deadline: Deadline,
): Promise<void> {
  const { volume, directory: targetPath, readOnly, sandbox, pod, secrets } = request;
  const entry = await room.journal.read(volume);
  const stagingPath = entry?.state === 'staged' ? entry.stagingPath : ownStagingPath(stagingRoot, volume);
  const isOwn = entry?.state !== 'staged' || entry.withPods === true;
  await stageAt(room, { ...request, directory: stagingPath, ...(isOwn ? { withPods: true } : {}) }, deadline);
  const capability = capabilityOf(request);
  const what = { volume, stagingPath, targetPath, capability, readOnly, sandbox, pod, secrets };
  try {
    await publishVolume(room, what, deadline);
  } catch (error) {
    // Nobody may ever ask again, and an unmount is told a directory that the journal does not know.
    await unstageOwn(room, volume, Deadline.after(UNDO_MS)).catch((left: unknown) => {
      room.log.warn({ volume, err: left }, 'a volume that no pod got stays staged; reconciliation takes it away');
    });
    throw error;
  }
}

/**
 * Whatever of ours is at this directory goes: a pod's mount, a staging mount, a hand-over; nothing there is a success.
 * BERTH_TARGET_OCCUPIED for a mount that is not ours, and the errors of unpublish, unstage and take back.
 */
export async function unmountDirectory(
  room: NodeRoom,
  request: { readonly directory: string; readonly stagingRoot: string },
  deadline: Deadline,
): Promise<void> {
  const { stagingRoot } = request;
  const directory = await resolveTarget('directory', request.directory);
  const { entries } = await room.journal.all();
  const entry = entries.find(({ stagingPath, targets }) => stagingPath === directory || directory in targets);
  if (entry === undefined) return unmountUnrecorded(room, directory, stagingRoot, deadline);
  const { volume } = entry;
  if (entry.handedTo !== undefined) return reclaimImage(room, { volume, directory }, deadline);
  if (entry.stagingPath === directory) return unstageVolume(room, { volume, stagingPath: directory }, deadline);
  await unpublishVolume(room, { volume, targetPath: directory }, deadline);
  await unstageOwn(room, volume, deadline);
}

/** What we staged by ourselves goes with its last pod; another pod that comes at the same time keeps it. */
async function unstageOwn(room: NodeRoom, volume: string, deadline: Deadline): Promise<void> {
  const entry = await room.journal.read(volume);
  if (entry?.withPods !== true || Object.keys(entry.targets).length > 0) return;
  try {
    await unstageVolume(room, { volume, stagingPath: entry.stagingPath }, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_VOLUME_IN_USE')) throw error;
  }
}

/** The journal was lost: a hand-over's file still names its image, a mount its device. */
async function unmountUnrecorded(room: NodeRoom, directory: string, root: string, deadline: Deadline): Promise<void> {
  const mount = await mountAt(directory);
  if (mount === undefined) {
    const file = await readHandOverFile(directory);
    if (file === undefined) return;
    const [image = '', namespace = ''] = file.image.split('/').reverse();
    const [volume] = await handlesOf(room, { pool: file.pool, namespace, image });
    return reclaimImage(room, { volume: volume ?? directory, directory }, deadline);
  }
  const guarded = guardedVolume(mount);
  if (guarded !== undefined) return unstageUnrecorded(room, guarded, directory, root, deadline);
  const mapping = await mappingOfNumber(room, mount.device, deadline);
  const handles = mapping === undefined ? [] : await handlesOf(room, mapping.location);
  const [volume] = handles;
  // Two clusters with the same pool and image cannot be told apart without the journal.
  if (volume === undefined || handles.length > 1)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: directory, what: `a mount of ${mount.source}` });
  await unstageUnrecorded(room, volume, directory, root, deadline);
}

async function unstageUnrecorded(
  room: NodeRoom,
  volume: string,
  directory: string,
  root: string,
  deadline: Deadline,
): Promise<void> {
  await unpublishVolume(room, { volume, targetPath: directory }, deadline);
  const stagingPath = await resolveTarget('directory', ownStagingPath(root, volume));
  try {
    await unstageVolume(room, { volume, stagingPath }, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_VOLUME_IN_USE')) throw error;
  }
}

async function mappingOfNumber(room: NodeRoom, number: string, deadline: Deadline): Promise<Mapping | undefined> {
  for (const mapper of room.mappers.all) {
    if ((await mapper.whyNot()) !== undefined) continue;
    for (const mapping of await mapper.list(deadline)) {
      if ((await deviceNumber(mapping.device).catch(() => '')) === number) return mapping;
    }
  }
  return undefined;
}

async function handlesOf(
  room: NodeRoom,
  { pool, namespace, image }: { readonly pool: string; readonly namespace: string; readonly image: string },
): Promise<readonly string[]> {
  const places = (await room.clusters.all()).filter(({ pools }) =>
    pools.some((one) => one.name === pool && one.namespaces.includes(namespace)),
  );
  return places.map(({ id: cluster }) => formatVolumeId({ cluster, pool, namespace, image }));
}
