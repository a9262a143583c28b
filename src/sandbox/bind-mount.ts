/**
 * The host as a sandbox: an ordinary container takes the volume
 * as a bind mount of the filesystem or of the device node.
 */
import { lstat, mkdir, open, readdir, rmdir, unlink } from 'node:fs/promises';
import { isDeviceReadOnly, deviceNumber, setDeviceReadOnly } from '../host/device/block-device.js';
import type { Exec } from '../host/process/exec.js';
import { bindMount, ensureReadOnly, unmountSeen } from '../host/mount/mount.js';
import { mountAt, type Mount } from '../host/mount/mountinfo.js';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';

export interface HostVolume {
  readonly kind: 'block' | 'mount';
  /** What is bound: the staging mount or the device node. */
  readonly source: string;
  readonly device: string;
  readonly readOnly: boolean;
}

/** Told of each act before it begins. */
type BindStep<Name extends string> = (name: Name) => void;

/**
 * Bind the volume at `target`, making the target as the specification asks (a directory, or a file for block); there
 * already is a success. BERTH_TARGET_OCCUPIED.
 */
export async function bindAt(
  exec: Exec,
  volume: HostVolume,
  target: string,
  step: BindStep<'switch device' | 'make target' | 'bind'>,
  deadline: Deadline,
): Promise<void> {
  const present = await mountAt(target);
  if (present !== undefined && !(await isBoundBy(present, volume))) {
    throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: `a mount of ${present.source}` });
  }
  if (present !== undefined) {
    // A read-only bind is two system calls, and whoever made it may have been killed between them.
    if (volume.kind === 'mount' && volume.readOnly) await ensureReadOnly(exec, target, deadline);
    return;
  }
  // A bind mount's ro flag does not stop writes to a device node: only the device's own switch does.
  if (volume.kind === 'block' && (await isDeviceReadOnly(volume.device)) !== volume.readOnly) {
    step('switch device');
    await setDeviceReadOnly(exec, volume.device, volume.readOnly, deadline);
  }
  step('make target');
  await (volume.kind === 'block' ? makeFile(target) : makeDirectory(target));
  step('bind');
  await bindMount(exec, { source: volume.source, target, readOnly: volume.readOnly }, deadline);
}

/** Is what is mounted at `target` this volume and nothing else? */
export async function isBoundAt(volume: HostVolume, target: string): Promise<boolean> {
  const mount = await mountAt(target);
  return mount !== undefined && isBoundBy(mount, volume);
}

/** {@link isBoundAt} of the mount that was just seen at its target. */
export async function isBoundBy(mount: Mount, volume: HostVolume): Promise<boolean> {
  if (volume.kind === 'mount') return mount.device === (await deviceNumber(volume.device));
  // A bound device node is a mount of devtmpfs whose root is the node's name; the node itself has the device's number.
  return (await deviceNumber(mount.target).catch(() => '')) === (await deviceNumber(volume.device));
}

/**
 * Unmount the target and remove it; a target that is gone is a success. Only what is empty is removed, and never more
 * than one entry. Errors of {@link unmountAllAt}; BERTH_TARGET_OCCUPIED where it is not empty.
 */
export async function unbindAt(
  exec: Exec,
  target: string,
  isOurs: (mount: Mount) => Promise<boolean>,
  step: BindStep<'unmount' | 'remove target'>,
  deadline: Deadline,
): Promise<void> {
  await unmountAllAt(exec, target, isOurs, step, deadline);
  step('remove target');
  await removeTarget(target);
}

/**
 * Unmount what is mounted at the target; nothing there is a success. `isOurs` is asked of every layer before it goes,
 * with what mountinfo shows of it: BERTH_TARGET_OCCUPIED where a mount of something else comes to light.
 */
export async function unmountAllAt(
  exec: Exec,
  target: string,
  isOurs: (mount: Mount) => Promise<boolean>,
  step: BindStep<'unmount'>,
  deadline: Deadline,
): Promise<void> {
  for (let mount = await mountAt(target); mount !== undefined; mount = await mountAt(target)) {
    if (!(await isOurs(mount)))
      throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: 'a mount of something else' });
    step('unmount');
    await unmountSeen(exec, target, deadline);
  }
}

/** A directory or file of ours, as long as nothing is in it; gone already is a success. BERTH_TARGET_OCCUPIED. */
export async function removeTarget(target: string): Promise<void> {
  // It is a directory as a rule, and the kernel says itself where it is not, or not empty.
  try {
    await rmdir(target);
    return;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    if (codeOf(error) !== 'ENOTDIR')
      throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: 'a directory that is not empty' }, error);
  }
  const stats = await lstat(target).catch(ignoreMissing);
  if (stats === undefined) return;
  if (stats.isFile() && stats.size === 0) await unlink(target).catch(ignoreMissing);
  else throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: 'not an empty file that Berth made' });
}

/** An empty directory, or BERTH_TARGET_OCCUPIED; BERTH_FIELD_INVALID where its parent is not there. */
export async function makeDirectory(target: string): Promise<void> {
  try {
    await mkdir(target, { mode: 0o750 });
    return;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw missingParentError(target, error);
  }
  if (!(await lstat(target)).isDirectory())
    throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: 'not a directory' });
  // Content under a mount is hidden, not gone: whoever wrote it there thought that it was the volume.
  if ((await readdir(target)).length > 0)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: 'a directory that is not empty' });
}

async function makeFile(target: string): Promise<void> {
  try {
    await (await open(target, 'wx', 0o600)).close();
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw missingParentError(target, error);
  }
  const stats = await lstat(target);
  if (!stats.isFile() || stats.size > 0)
    throw berthError('BERTH_TARGET_OCCUPIED', { path: target, what: 'not an empty file' });
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
  return undefined;
}

function missingParentError(target: string, error: unknown): Error {
  return berthError(
    'BERTH_FIELD_INVALID',
    { field: 'target_path', why: `${target} cannot be made (${codeOf(error) ?? 'unknown'}); its parent must exist` },
    error,
  );
}
