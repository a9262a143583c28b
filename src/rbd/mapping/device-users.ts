/** Who uses a block device: mounts (in any mount namespace we can see), devices built on it, processes that have it open. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { deviceNumber } from '../../host/block-device.js';
import { readMounts, type Mount } from '../../host/mountinfo.js';
import { mountNamespaceOf, processLinks } from '../../host/process-links.js';
import type { Deadline } from '../../model/deadline.js';
import { readAttribute, readEntries } from './attribute.js';
import type { KernelRoots } from './roots.js';

export interface DeviceUsers {
  /**
   * Mount points, also those of the device node itself (raw block volumes are bind mounts of it); those of other mount namespaces with
   * a process that is in there.
   */
  readonly mounts: readonly string[];
  /** Names of devices on top: dm-0, md1. */
  readonly holders: readonly string[];
  /** `qemu-system-x86 (pid 4711)`. */
  readonly processes: readonly string[];
}

/** udev and blkid open every new or closed device for some milliseconds: they are waited out, not reported. */
const PASSING_MS = 2_000;
const PAUSE_MS = 50;
const SHOWN = 5;

/**
 * All users found now. `device` is `/dev/rbd0`; reads /proc and /sys only, never the device. `server` is the pid of the process
 * that serves the device from user space and has it open for that.
 */
export async function deviceUsers(device: string, roots: KernelRoots, server?: number): Promise<DeviceUsers> {
  const name = path.basename(device);
  const numbers = await deviceNumbers(name, roots.sys);
  const { processes, namespaces } = await scanProcesses(name, roots.proc, [process.pid, server]);
  const ours = await mountsOf(`${roots.proc}/self/mountinfo`, name, numbers);
  const mounts = new Set(ours.map(({ target }) => target));
  for (const { pid, who } of namespaces) {
    const theirs = await mountsOf(`${roots.proc}/${pid}/mountinfo`, name, numbers);
    for (const { target } of theirs) mounts.add(`${target} in the mount namespace of ${who}`);
  }
  const holders = await readEntries(`${roots.sys}/class/block/${name}/holders`);
  return { mounts: [...mounts], holders, processes };
}

/** The users that are still there after passing ones had time to go; undefined where the device is free. */
export async function lastingUsers(
  device: string,
  roots: KernelRoots,
  deadline: Deadline,
  server?: number,
): Promise<string | undefined> {
  const patience = deadline.within(PASSING_MS);
  for (;;) {
    const users = await deviceUsers(device, roots, server);
    const passing = users.mounts.length === 0 && users.holders.length === 0;
    if (!passing || users.processes.length === 0 || patience.expired) return describeUsers(users);
    await sleep(Math.min(PAUSE_MS, patience.remaining()));
  }
}

/** Every container that was started meanwhile may have a copy of a mount: not all of them are named. */
function some(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

/** For an error text; undefined where there is nobody. */
export function describeUsers({ mounts, holders, processes }: DeviceUsers): string | undefined {
  const parts = [
    mounts.length > 0 ? `mounted at ${some(mounts)}` : '',
    holders.length > 0 ? `held by ${some(holders)}` : '',
    processes.length > 0 ? `open in ${some(processes)}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts.join('; ');
}

async function mountsOf(file: string, name: string, numbers: ReadonlySet<string>): Promise<readonly Mount[]> {
  const found: Mount[] = [];
  // A process may end while its file is read.
  for (const mount of await readMounts(file).catch(() => [])) {
    if (numbers.has(mount.device) || (await isMountOfNode(mount, name, numbers))) found.push(mount);
  }
  return found;
}

/** `major:minor` of the device and of its partitions. */
async function deviceNumbers(name: string, sysRoot: string): Promise<ReadonlySet<string>> {
  const directory = `${sysRoot}/class/block/${name}`;
  const partitions = (await readEntries(directory)).filter((entry) => entry.startsWith(name));
  const files = [`${directory}/dev`, ...partitions.map((partition) => `${directory}/${partition}/dev`)];
  const numbers = await Promise.all(files.map(readAttribute));
  return new Set(numbers.filter((number) => number !== undefined));
}

/** Is this a bind mount of the device's node? In a devtmpfs the name says it; a node in a tmpfs is looked at. */
async function isMountOfNode(mount: Mount, name: string, numbers: ReadonlySet<string>): Promise<boolean> {
  if (path.posix.basename(mount.root) !== name) return false;
  if (mount.fsType === 'devtmpfs') return true;
  if (mount.fsType !== 'tmpfs') return false;
  const number = await deviceNumber(mount.target).catch(() => '');
  return numbers.has(number);
}

interface Scanned {
  readonly processes: readonly string[];
  /** One process of each mount namespace but our own. */
  readonly namespaces: readonly { readonly pid: number; readonly who: string }[];
}

/** One walk over /proc. Descriptors are compared by name: looking at other people's files (stat) may hang on a dead filesystem. */
async function scanProcesses(
  name: string,
  procRoot: string,
  except: readonly (number | undefined)[],
): Promise<Scanned> {
  const processes: string[] = [];
  const namespaces = new Map<string, { pid: number; who: string }>();
  const ours = mountNamespaceOf(procRoot, 'self');
  const isDevice = (target: string): boolean => target.startsWith('/') && path.posix.basename(target) === name;
  for await (const one of processLinks(procRoot)) {
    const { pid } = one;
    const namespace = one.mountNamespace() ?? ours;
    const who = (): string => `${one.name()} (pid ${pid})`;
    if (namespace !== undefined && namespace !== ours) namespaces.set(namespace, { pid, who: who() });
    if (!except.includes(pid) && one.descriptors().some(isDevice)) processes.push(who());
  }
  return { processes, namespaces: [...namespaces.values()] };
}
