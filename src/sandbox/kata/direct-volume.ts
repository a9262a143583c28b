/**
 * Kata as a sandbox: the pod's virtual machine takes the device itself;
 * the host keeps a record, and a guard at the target.
 */
import { isDeviceReadOnly, setDeviceReadOnly } from '../../host/device/block-device.js';
import type { Exec } from '../../host/process/exec.js';
import { mountAt, readMounts } from '../../host/mount/mountinfo.js';
import { pathOnHost } from '../../host/mount/path-on-host.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { makeDirectory, unbindAt } from '../bind-mount.js';
import { isGuard, mountGuard } from './guard.js';
import { mountInfoOf, recordName, volumeOf, type DirectVolume } from './kata-record.js';
import type { KataRecords } from './kata-records.js';

export interface KataHost {
  readonly exec: Exec;
  readonly records: KataRecords;
}

/** A target as the kubelet wrote it, and with its symbolic links resolved as this process sees them. */
export interface KataTarget {
  readonly resolved: string;
  readonly asked: string;
}

type DirectVolumeStep<Name extends string> = (name: Name) => void;

/**
 * Without repetition. The runtime asks by the path as the host resolves it: in a container the kubelet's root may be a
 * directory where the host has a link.
 */
const keysOf = async ({ resolved, asked }: KataTarget): Promise<readonly string[]> => [
  ...new Set([resolved, asked, await pathOnHost(asked)]),
];

/**
 * Hand the volume to the virtual machine of the pod at `target`; there already is a success. The guard comes first and
 * goes last, so that at no moment a writable directory of the host is in its place. BERTH_TARGET_OCCUPIED,
 * BERTH_FIELD_INVALID, BERTH_KATA_RECORD_FAILED, BERTH_VOLUME_IN_USE.
 */
export async function addDirectVolume(
  { exec, records }: KataHost,
  volume: DirectVolume,
  target: KataTarget,
  step: DirectVolumeStep<'switch device' | 'make target' | 'mount guard' | 'write kata record'>,
  deadline: Deadline,
): Promise<void> {
  const info = mountInfoOf(volume);
  // Refused before anything is made.
  const keys = await keysOf(target);
  for (const key of keys) recordName(key);
  const isLive = isGuard(await mountAt(target.resolved), volume.volume);
  await refuseOtherPods(records, volume.volume, target);
  // Neither runtime makes a guest's device read-only by itself. The switch of the host's device decides, whatever the
  // guest asks for.
  if ((await isDeviceReadOnly(volume.device)) !== volume.readOnly) {
    step('switch device');
    await setDeviceReadOnly(exec, volume.device, volume.readOnly, deadline);
  }
  if (!isLive) {
    step('make target');
    if ((await mountAt(target.resolved)) === undefined) await makeDirectory(target.resolved);
    step('mount guard');
    await mountGuard(exec, target.resolved, volume.volume, deadline);
  }
  step('write kata record');
  for (const key of keys) {
    // Nothing was mounted here until now, so whatever lies under
    // this name is of a pod that is dead, with its sandbox' id.
    if (!isLive) await records.remove(key);
    await records.write(key, info);
  }
}

/** Is it given to the pod at this target, as far as mounts tell? */
export const isDirectVolumeAt = async (volume: string, target: string): Promise<boolean> =>
  isGuard(await mountAt(target), volume);

/**
 * Take record, guard and target away; what is not there is a success.
 * A record of another driver stays. BERTH_TARGET_OCCUPIED.
 */
export async function removeDirectVolume(
  { exec, records }: KataHost,
  volume: string,
  target: KataTarget,
  step: DirectVolumeStep<'remove kata record' | 'unmount' | 'remove target'>,
  deadline: Deadline,
): Promise<void> {
  await removeRecords(records, volume, target, step);
  await unbindAt(exec, target.resolved, (mount) => Promise.resolve(isGuard(mount, volume)), step, deadline);
}

/** Only those of this volume. */
export async function removeRecords(
  records: KataRecords,
  volume: string,
  target: KataTarget,
  step: DirectVolumeStep<'remove kata record'>,
): Promise<void> {
  for (const key of await keysOf(target)) {
    if (volumeOf((await records.read(key))?.info) !== volume) continue;
    step('remove kata record');
    await records.remove(key);
  }
}

/**
 * One virtual machine a volume: a record at another target
 * counts while its guard stands, and is swept where it does not.
 */
async function refuseOtherPods(records: KataRecords, volume: string, target: KataTarget): Promise<void> {
  const own = await keysOf(target);
  for (const { path, info } of await records.all()) {
    if (volumeOf(info) !== volume || own.includes(path)) continue;
    if (await isGuardedAt(volume, path)) throw berthError('BERTH_KATA_ONE_POD', { volume, path });
    await records.remove(path);
  }
}

/** At unstage: records of the volume at targets that are no more; the device's name will soon be another volume's. */
export async function sweepRecords(records: KataRecords, volume: string): Promise<void> {
  for (const { path, info } of await records.all())
    if (volumeOf(info) === volume && !(await isGuardedAt(volume, path))) await records.remove(path);
}

/** Does a guard of the volume stand where this name of a record leads on the host, whatever it is called here? */
async function isGuardedAt(volume: string, name: string): Promise<boolean> {
  const place = await pathOnHost(name);
  for (const mount of await readMounts())
    if (isGuard(mount, volume) && (await pathOnHost(mount.target)) === place) return true;
  return false;
}
