/** What has to be mounted, and how, before a volume can reach a pod: the kubelet's directories, /dev, /sys. */
import path from 'node:path';
import type { Finding } from '../../model/finding.js';
import { mountOf, readMounts, type Mount } from '../../host/mount/mountinfo.js';
import { isThere } from '../../host/is-there.js';

/** Where volumes are staged and published; each may be a mount of its own in the plugin's container. */
const SHOWN = ['pods', 'plugins'];

/** Does what we mount below the kubelet's directory appear on the host and in pods? */
export async function checkPropagation(procRoot: string, kubeletDirectory: string): Promise<Finding> {
  const name = 'mount-propagation';
  const mounts = await table(procRoot);
  const there: string[] = [];
  for (const one of SHOWN) {
    const directory = path.join(kubeletDirectory, one);
    if (await isThere(directory)) there.push(directory);
  }
  if (there.length === 0) {
    const says =
      `there is no kubelet at ${kubeletDirectory}; if this is a Kubernetes node, correct --kubelet-dir ` +
      'and the volumes of this pod';
    return { name, level: 'warning', says };
  }
  const alone = there.filter((one) => !isShared(mountOf(mounts, one)));
  if (alone.length === 0) return { name, level: 'ok', says: `${there.join(' and ')}: shared` };
  const says =
    `${alone.join(' and ')}: not a shared mount, so no pod will see what is mounted there; ` +
    'set mountPropagation: Bidirectional in the container, on the host mount --make-rshared /';
  return { name, level: 'failed', says };
}

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

/** Only a member of a peer group passes its mounts on; a `master:` receives them and keeps its own to itself. */
const isShared = (mount: Mount | undefined): boolean =>
  mount?.propagation.some((one) => one.startsWith('shared:')) ?? false;

const table = (procRoot: string): ReturnType<typeof readMounts> => readMounts(path.join(procRoot, 'self/mountinfo'));
