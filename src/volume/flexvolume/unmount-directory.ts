/**
 * Unmounts whatever of ours is at a directory, for orchestrators that name nothing but the directory. The volume is
 * found by the journal or, where the journal was lost, by what lies there. Unpublish and unstage are one operation.
 */
import path from 'node:path';
import { deviceNumber } from '../../host/device/block-device.js';
import { isWithin, mountAt, readMounts } from '../../host/mount/mountinfo.js';
import { resolveTarget } from '../../host/mount/target-path.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { formatVolumeId } from '../../model/volume-id.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import { readHandOverFile } from '../../sandbox/hyperd/hand-over-file.js';
import { guardedVolume } from '../../sandbox/kata/guard.js';
import type { Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import {
  ownStagingPath,
  unstageIfUnused,
  unstageWithoutPods,
  type OperationOfActs,
  type VolumeActs,
} from './volume-acts.js';

export interface UnmountParts {
  readonly operations: Pick<Operations<NodeSteps>, 'run' | 'join'>;
  readonly journal: Pick<Journal, 'all' | 'read'>;
  readonly acts: Pick<VolumeActs, 'unpublish' | 'unstage'>;
  /** Takes an image back from a runtime that opened it by itself; an operation of its own. */
  readonly reclaim: (
    asked: { readonly volume: string; readonly directory: string },
    deadline: Deadline,
  ) => Promise<void>;
  readonly mappers: { readonly all: readonly Pick<Mapper, 'whyNot' | 'list'>[] };
  readonly clusters: { all(): Promise<readonly Pick<ClusterConfig, 'id' | 'pools'>[]> };
  /** Below it lie the staging paths of volumes that nobody stages. */
  readonly stagingRoot: string;
}

/**
 * A pod's mount, a staging mount, a hand-over; nothing there is a success. BERTH_TARGET_OCCUPIED for a mount that is
 * not ours, and the errors of unpublish, unstage and reclaim.
 */
export async function unmountDirectory(parts: UnmountParts, asked: string, deadline: Deadline): Promise<void> {
  const { operations, journal, acts, reclaim } = parts;
  const directory = await resolveTarget('directory', asked);
  const what = { op: 'unmount', fingerprint: directory } as const;
  // The same call, come again: halfway through no entry names the directory any more, and it would look done.
  if (await operations.join(what, deadline)) return;
  const { entries } = await journal.all();
  const entry = entries.find(({ stagingPath, targets }) => stagingPath === directory || directory in targets);
  if (entry === undefined) return unmountUnrecorded(parts, directory, deadline);
  const { volume } = entry;
  if (entry.handedTo !== undefined) return reclaim({ volume, directory }, deadline);
  await operations.run(volume, what, deadline, async (operation, deadline) => {
    if (entry.stagingPath === directory) {
      return acts.unstage({ volume, stagingPath: directory }, operation.within('unstage'), deadline);
    }
    await acts.unpublish({ volume, targetPath: directory }, operation.within('unpublish'), deadline);
    await unstageWithoutPods({ journal, acts }, volume, operation, deadline);
  });
}

/** The journal was lost: a hand-over's file still names its image, a mount its device. */
async function unmountUnrecorded(parts: UnmountParts, directory: string, deadline: Deadline): Promise<void> {
  const { operations, clusters } = parts;
  const mount = await mountAt(directory);
  if (mount === undefined) {
    const file = await readHandOverFile(directory);
    if (file === undefined) return;
    const [image = '', namespace = ''] = file.image.split('/').reverse();
    const [volume] = await handlesOf(clusters, { pool: file.pool, namespace, image });
    return parts.reclaim({ volume: volume ?? directory, directory }, deadline);
  }
  const volume = guardedVolume(mount) ?? (await volumeOfDevice(parts, mount.device, deadline));
  if (volume === undefined)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: directory, what: `a mount of ${mount.source}` });
  const what = { op: 'unmount', fingerprint: directory } as const;
  await operations.run(volume, what, deadline, (operation, deadline) =>
    takeDownUnrecorded(parts, { volume, directory }, operation, deadline),
  );
}

async function takeDownUnrecorded(
  { acts, stagingRoot }: UnmountParts,
  { volume, directory }: { readonly volume: string; readonly directory: string },
  operation: OperationOfActs,
  deadline: Deadline,
): Promise<void> {
  await acts.unpublish({ volume, targetPath: directory }, operation.within('unpublish'), deadline);
  const stagingPath = await resolveTarget('directory', await ownStagingMount(stagingRoot, volume));
  await unstageIfUnused(acts, { volume, stagingPath }, operation, deadline);
}

/** Where it is mounted below the kubelet's plugins: earlier versions of Berth staged in another directory there. */
async function ownStagingMount(stagingRoot: string, volume: string): Promise<string> {
  const own = ownStagingPath(stagingRoot, volume);
  const plugins = path.dirname(stagingRoot);
  const mounted = (await readMounts()).find(
    ({ target }) => path.basename(target) === path.basename(own) && isWithin(target, plugins),
  );
  return mounted?.target ?? own;
}

/** The volume that is mapped as the device; undefined where none is, or where it may be one of several. */
async function volumeOfDevice(
  { mappers, clusters }: UnmountParts,
  number: string,
  deadline: Deadline,
): Promise<string | undefined> {
  const mapping = await mappingOfNumber(mappers.all, number, deadline);
  const handles = mapping === undefined ? [] : await handlesOf(clusters, mapping.location);
  // Two clusters with the same pool and image cannot be told apart without the journal.
  return handles.length > 1 ? undefined : handles[0];
}

async function mappingOfNumber(
  mappers: UnmountParts['mappers']['all'],
  number: string,
  deadline: Deadline,
): Promise<Mapping | undefined> {
  for (const mapper of mappers) {
    if ((await mapper.whyNot()) !== undefined) continue;
    for (const mapping of await mapper.list(deadline)) {
      if ((await deviceNumber(mapping.device).catch(() => '')) === number) return mapping;
    }
  }
  return undefined;
}

async function handlesOf(
  clusters: UnmountParts['clusters'],
  { pool, namespace, image }: { readonly pool: string; readonly namespace: string; readonly image: string },
): Promise<readonly string[]> {
  const places = (await clusters.all()).filter(({ pools }) =>
    pools.some((one) => one.name === pool && one.namespaces.includes(namespace)),
  );
  return places.map(({ id: cluster }) => formatVolumeId({ cluster, pool, namespace, image }));
}
