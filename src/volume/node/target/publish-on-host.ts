/**
 * A pod of the host takes the volume as a bind mount; a filesystem that was left to guests is mounted first, where that
 * is allowed. Reaches neither Ceph nor Kubernetes.
 */
import { isDeviceReadOnly, setDeviceReadOnly } from '../../../host/device/block-device.js';
import { repairBeforeMount } from '../../../host/filesystem/check/check-filesystem.js';
import { ownByGroup } from '../../../host/filesystem/group/own-by-group.js';
import type { Mount } from '../../../host/mount/mountinfo.js';
import type { Exec } from '../../../host/process/exec.js';
import { filesystemOfEntry, isMountedHere, type JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import { bindAt, isBoundAt, isBoundBy, unbindAt } from '../../../sandbox/bind-mount.js';
import type { NodeOperation } from '../../operation/operations.js';
import { refuseOpenDevice } from '../filesystem/refuse-open-device.js';
import { isMountedFrom, mountStaged } from '../filesystem/staging-mount.js';
import type { Mappers } from '../node-mappers.js';
import { addTarget, journalTarget, type Publishing, type TargetParts } from './publish-target.js';
import { hostVolume } from './published-targets.js';

export interface PublishOnHostParts extends TargetParts {
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
}

/** BERTH_TARGET_OCCUPIED, BERTH_FIELD_INVALID, BERTH_HOST_MOUNT_REFUSED, BERTH_VOLUME_IN_USE. */
export async function publishOnHost(
  parts: PublishOnHostParts,
  publishing: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  const { exec } = parts;
  const { mapping, live, targetPath, readOnly } = publishing;
  const entry = await mountedHere(parts, publishing, operation, deadline);
  await own(parts, publishing, operation, deadline);
  const shown = hostVolume(entry, mapping, readOnly);
  const make = () => bindAt(exec, shown, targetPath, operation.step, deadline);
  if (targetPath in live) return make();
  const isThere = () => isBoundAt(shown, targetPath);
  const isOurs = (mount: Mount) => isBoundBy(mount, shown);
  const remove = (time: Deadline) => unbindAt(exec, targetPath, isOurs, () => undefined, time);
  const acts = { make, remove, isThere };
  await addTarget(parts, { ...publishing, entry }, journalTarget(publishing), acts, operation);
}

/**
 * The entry, with its filesystem mounted at the staging path. BERTH_HOST_MOUNT_REFUSED where a guest wrote it: a
 * filesystem is input to the kernel that mounts it, and that guest may be hostile.
 */
async function mountedHere(
  { exec, mappers }: PublishOnHostParts,
  { entry, mapping, capability }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<JournalEntry> {
  const { volume, stagingPath, guest, readOnly } = entry;
  if (guest === undefined || isMountedHere(entry) || capability.access.kind === 'block') return entry;
  if (guest.written && !guest.allowHostMount) throw berthError('BERTH_HOST_MOUNT_REFUSED', { volume });
  const { device } = mapping;
  const type = filesystemOfEntry(entry);
  // A crash between mount and journal leaves it mounted already.
  if (!(await isMountedFrom(stagingPath, device))) {
    await refuseOpenDevice({ mappers }, volume, mapping, deadline);
    if ((await isDeviceReadOnly(device)) !== readOnly) {
      operation.step('switch device');
      await setDeviceReadOnly(exec, device, readOnly, deadline);
    }
    operation.step('mount on host');
    if (!readOnly) await repairBeforeMount(exec, device, type, deadline);
    const flags = capability.access.mountFlags;
    await mountStaged({ exec }, { device, stagingPath, type, flags, readOnly }, deadline);
  }
  return { ...entry, guest: { ...guest, mounted: true } };
}

/**
 * Gives the files to the group of fsGroup, which kubelet leaves to a driver that declares VOLUME_MOUNT_GROUP. Not done
 * under pods that are there already. What cannot be changed (immutable, append-only) stays as it is, as with the
 * kubelet: the pod has its other files.
 */
async function own(
  { exec, log }: Pick<PublishOnHostParts, 'exec' | 'log'>,
  { entry, live, capability: { access }, readOnly }: Publishing,
  operation: NodeOperation<'publish'>,
  deadline: Deadline,
): Promise<void> {
  if (access.kind === 'block' || access.group === '' || readOnly || entry.readOnly) return;
  if (Object.keys(live).length > 0) return;
  operation.step('own by group');
  const { group } = access;
  const given = await ownByGroup(exec, entry.stagingPath, group, deadline);
  if (given === undefined || given.refused === 0) return;
  log.warn({ volume: entry.volume, group, ...given }, 'some files could not be given to the group of the pod');
}
