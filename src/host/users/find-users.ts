/**
 * Who uses a block device or a directory: mounts in every mount namespace, devices on top, processes. One finder,
 * bounded in time, that reads /proc and /sys only: whoever asks has a device or filesystem in hand that may be dead.
 *
 * Not seen: files that are mapped into memory but closed (/proc/PID/maps takes the lock that a process waiting for a
 * dead device holds), mount namespaces that no process is in, and processes that a container without the host's PID
 * namespace does not see.
 */
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import { mountsBelow, type Mount } from '../mount/mountinfo.js';
import { mountNamespaceOf, processLinks, type Descriptor, type ProcessLinks } from '../process/process-links.js';
import type { Owner, UserMount, Users } from './describe-users.js';
import { deviceTree, loopsOf, type DeviceTree } from './device-tree.js';
import { isMountOfTree, isOpenUnderAnotherName } from './device-nodes.js';
import { mentions, ownerOf, tableOf } from './process-facts.js';

export interface Roots {
  readonly sys: string;
  readonly proc: string;
}

/** Where to search, and for how long. */
export interface UserSearch {
  readonly roots: Roots;
  /** A node may run thousands of processes: where this passes, the answer is {@link Users.cut} short. */
  readonly deadline: Deadline;
  /** Processes that do not count: whoever serves the device from user space. */
  readonly except?: readonly (number | undefined)[];
}

/** Users of `/dev/rbd0`, of its partitions, and of devices that stand on it. */
export async function usersOfDevice(device: string, { roots, deadline, except = [] }: UserSearch): Promise<Users> {
  const tree = deviceTree(path.basename(device), roots.sys);
  const isOfDevice = (one: Descriptor, isForeign: boolean): boolean =>
    isNodeOf(tree, one.target) || (isForeign && isOpenUnderAnotherName(one, tree));
  const scanned = await scan(
    roots.proc,
    deadline,
    (one, isForeign) => !except.includes(one.pid) && some(one.descriptors(), (open) => isOfDevice(open, isForeign)),
  );
  const mounts: UserMount[] = [];
  for (const mount of mountsOf(roots.proc, 'self', tree)) {
    if (await isMountOfTree(mount, tree, 'ours')) mounts.push({ target: mount.target });
  }
  for (const within of scanned.namespaces) {
    for (const mount of mountsOf(roots.proc, within.pid, tree)) {
      if (await isMountOfTree(mount, tree, 'foreign')) mounts.push({ target: mount.target, within });
    }
  }
  const targets = mounts.filter(({ within }) => within === undefined).map(({ target }) => target);
  const loops = loopsOf(roots.sys, (file) => isNodeOf(tree, file) || targets.some((one) => isWithin(file, one)));
  return { mounts: distinct(mounts), devicesOnTop: [...tree.devicesOnTop, ...loops], ...finish(scanned) };
}

/**
 * Users of a directory where something is mounted:
 * what is mounted below it, loop devices on its files, processes in it.
 */
export async function usersOfDirectory(
  directory: string,
  { roots, deadline, except = [] }: UserSearch,
): Promise<Users> {
  const inside = (target: string): boolean => isWithin(target, directory);
  const mounts = mountsBelow(tableOf(roots.proc, 'self'), directory).map(({ target }) => ({ target }));
  const devicesOnTop = loopsOf(roots.sys, inside);
  const scanned = await scan(
    roots.proc,
    deadline,
    (one) =>
      !except.includes(one.pid) &&
      (one.places().some(inside) || some(one.descriptors(), ({ target }) => inside(target))),
  );
  return { mounts, devicesOnTop, ...finish(scanned) };
}

/** Nothing behind the first hit is read. */
function some<T>(all: Iterable<T>, isIt: (one: T) => boolean): boolean {
  for (const one of all) if (isIt(one)) return true;
  return false;
}

interface Scanned {
  readonly processes: readonly Owner[];
  /** The oldest process of every mount namespace but ours. */
  readonly namespaces: readonly Owner[];
  readonly cut: boolean;
}

/** One walk over /proc. */
async function scan(
  procRoot: string,
  deadline: Deadline,
  uses: (one: ProcessLinks, isForeign: boolean) => boolean,
): Promise<Scanned> {
  const processes: Owner[] = [];
  const namespaces = new Map<string, number>();
  const ours = mountNamespaceOf(procRoot, 'self');
  let cut = false;
  for await (const one of processLinks(procRoot)) {
    cut = deadline.expired;
    if (cut) break;
    const namespace = one.mountNamespace() ?? ours;
    const isForeign = namespace !== undefined && namespace !== ours;
    // The youngest come first, so the last one is who the namespace was made for.
    if (isForeign) namespaces.set(namespace, one.pid);
    if (uses(one, isForeign)) processes.push(ownerOf(procRoot, one.pid));
  }
  return { processes, namespaces: [...namespaces.values()].map((pid) => ownerOf(procRoot, pid)), cut };
}

const finish = ({ processes, cut }: Scanned): Pick<Users, 'processes' | 'cut'> => ({ processes, cut });

/** Of a namespace's thousands of mounts only those whose line can be about the device are taken apart. */
const mountsOf = (procRoot: string, pid: number | 'self', tree: DeviceTree): readonly Mount[] =>
  tableOf(procRoot, pid, (line) => mentions(line, tree));

const isNodeOf = (tree: DeviceTree, target: string): boolean =>
  target.startsWith('/') && tree.names.has(path.posix.basename(target));

const isWithin = (target: string, directory: string): boolean =>
  target === directory || target.startsWith(directory === '/' ? '/' : `${directory}/`);

/** The same path in the same namespace: a mount on top of another. */
const distinct = (mounts: readonly UserMount[]): readonly UserMount[] => [
  ...new Map(mounts.map((mount) => [`${mount.within?.pid ?? ''} ${mount.target}`, mount])).values(),
];
