/**
 * Taking away what stands on a storage daemon's exports: loop devices and mounts, also those of one that was killed,
 * which answer every access with an error.
 */
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import { detachLoop } from './loop-device.js';
import { mountAt } from '../../host/mount/mountinfo.js';
import { unmount } from '../../host/mount/mount.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { listDirectory } from '../../host/device/kernel-attribute.js';
import { unlinkIfThere } from '../../host/unlink-if-there.js';
import { lastingUsers } from '../../rbd/mapping/device-users.js';
import type { ExportDirectory } from './export-directory.js';
import { KERNEL_ROOTS } from '../../rbd/mapping/roots.js';

/** Detach a dead loop device and answer undefined; or answer who still uses it, and leave it. */
export async function dropStaleLoop(exec: Exec, device: string, deadline: Deadline): Promise<string | undefined> {
  const users = await lastingUsers(device, KERNEL_ROOTS, deadline);
  if (users === undefined) await detachLoop(exec, device, deadline);
  return users;
}

/** Detach the device of an image that is unmapped. BERTH_UNMAP_BUSY while something uses it. */
export async function freeLoop(exec: Exec, device: string, image: string, deadline: Deadline): Promise<void> {
  // losetup -d of a device in use answers 0 and detaches it later, behind everybody's back.
  const who = await lastingUsers(device, KERNEL_ROOTS, deadline);
  if (who !== undefined) throw berthError('BERTH_UNMAP_BUSY', { device, image, who });
  try {
    await detachLoop(exec, device, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_DEVICE_BUSY')) throw error;
    throw berthError('BERTH_UNMAP_BUSY', { device, image, who: 'somebody opened it just now' }, error);
  }
}

/** Unmount and remove an export's file, whether or not something is still mounted on it. */
export async function removeExportFile(exec: Exec, file: string, deadline: Deadline): Promise<void> {
  // A file is mounted once for each daemon that served it and died.
  while ((await mountAt(file)) !== undefined) await unmount(exec, file, deadline);
  await unlinkIfThere(file);
}

/** With no daemon running: clean up whatever nobody uses, leave the rest as it is. */
export async function cleanUpAfterDeath(exec: Exec, exports: ExportDirectory, deadline: Deadline): Promise<void> {
  const used = new Set<string>();
  for (const { device, location } of await exports.mappings()) {
    const users = await dropStaleLoop(exec, device, deadline);
    if (users !== undefined) used.add(await exports.file(location));
  }
  const directory = await exports.path();
  for (const name of listDirectory(directory)) {
    const file = path.join(directory, name);
    if (!used.has(file)) await removeExportFile(exec, file, deadline);
  }
}
