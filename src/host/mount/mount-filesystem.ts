/** Mounts the filesystem of a device through mount(8), with the flags that were asked for and are then in force. */
import { access } from 'node:fs/promises';
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import {
  checkMountFlags,
  isSelinuxFlag,
  lostFlags,
  readMountFlags,
  type MountFlag,
} from '../../model/mount/mount-flags.js';
import type { Exec } from '../process/exec.js';
import { unmount } from './mount.js';
import { mountAt, type Mount } from './mountinfo.js';
import { mountError, type FilesystemMount } from './why-not-mounted.js';

/** mount(8): the system call failed. */
const FAILED = 32;
/** Undoing gets a little time of its own, the caller's may be over. */
const UNDO_MS = 2_000;
/** Where libselinux looks before mount(8) hands a label to the kernel; it drops the label without a word otherwise. */
const SELINUX_PATHS = ['/sys/fs/selinux/enforce', '/etc/selinux/config'];

/**
 * Mount the filesystem on a device. BERTH_FIELD_INVALID for options that would mount something else or that the kernel
 * refuses, BERTH_MOUNT_FLAGS_LOST for those that it does not keep, the errors of {@link mountError}, DEADLINE; after
 * DEADLINE it may be mounted nevertheless.
 */
export async function mountFilesystem(exec: Exec, mount: FilesystemMount, deadline: Deadline): Promise<void> {
  const { device, target, fsType, always = [] } = mount;
  checkMountFlags('mount flags', mount.options);
  const asked = readMountFlags(mount.options);
  const options = [...new Set([...always, ...asked.map(({ text }) => text)])];
  const flags = options.length === 0 ? [] : ['-o', options.join(',')];
  const result = await exec('mount', ['-t', fsType, ...flags, '--', device, target], {
    deadline,
    okCodes: [0, FAILED],
  });
  if (result.exitCode !== 0) throw await mountError(exec, mount, result, deadline);
  const shown = await mountAt(target);
  const why = shown && (await whyNotAsAsked(shown, mount, asked));
  if (why === undefined) return;
  await unmount(exec, target, Deadline.after(UNDO_MS));
  throw why;
}

/** mount(8) drops what it cannot hand on, and mounts read-only what cannot be written: with exit code 0. */
async function whyNotAsAsked(
  { options, superOptions }: Mount,
  { device, target, fsType, always = [] }: FilesystemMount,
  asked: readonly MountFlag[],
): Promise<Error | undefined> {
  if (superOptions.includes('ro') && !always.includes('ro') && !asked.some(({ name }) => name === 'ro')) {
    const why = 'it was to be written to, and mount(8) made it read-only: the device takes no writes';
    return berthError('BERTH_MOUNT_REFUSED', { fs: fsType, device, why });
  }
  const lost = lostFlags(asked, [...options, ...superOptions]);
  if (lost.length === 0) return undefined;
  const why = lost.some((name) => isSelinuxFlag({ name })) ? await whyNoLabels() : 'the kernel does not show them';
  return berthError('BERTH_MOUNT_FLAGS_LOST', { flags: lost.join(', '), path: target, why });
}

async function whyNoLabels(): Promise<string> {
  for (const path of SELINUX_PATHS) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (!isThere) return `${path} is not there, without which mount(8) takes the node for one without SELinux`;
  }
  return 'mount(8) did not hand them to the kernel';
}
