/** What has to be mounted, and how, before an image can be mapped: /dev, /sys. */
import path from 'node:path';
import type { Finding } from '../../model/finding.js';
import { mountOf, readMounts } from '../../host/mount/mountinfo.js';

/** Is /dev the one in which the kernel makes device nodes? */
export async function checkDev(procRoot: string): Promise<Finding> {
  const name = 'dev';
  const mount = mountOf(await table(procRoot), '/dev');
  if (mount?.fsType === 'devtmpfs') return { name, level: 'ok', says: 'the kernel makes its device nodes here' };
  const says =
    `/dev is a ${mount?.fsType ?? 'directory'}, not the host's devtmpfs, so a mapped device gets no node here; ` +
    "mount the host's /dev into this container";
  return { name, level: 'warning', says };
}

/** Can sysfs be written? The kernel's rbd client is told what to map by it. */
export async function checkSys(procRoot: string): Promise<Finding> {
  const name = 'sysfs';
  const mount = mountOf(await table(procRoot), '/sys');
  if (mount?.fsType !== 'sysfs') {
    return { name, level: 'warning', says: "/sys is not a sysfs; mount the host's /sys into this container" };
  }
  if (![...mount.options, ...mount.superOptions].includes('ro')) return { name, level: 'ok', says: 'writable' };
  const says = "/sys is read-only, so the kernel's rbd client cannot be told to map; make the container privileged";
  return { name, level: 'warning', says };
}

const table = (procRoot: string): ReturnType<typeof readMounts> => readMounts(path.join(procRoot, 'self/mountinfo'));
