/** Who uses a block device: mounts (in any mount namespace we can see), devices built on it, processes that have it open. */
import { readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { deviceNumber } from '../../host/block-device.js';
import { readMounts, type Mount } from '../../host/mountinfo.js';
import type { Deadline } from '../../model/deadline.js';
import { readAttribute, readEntries } from './attribute.js';
import type { KernelRoots } from './roots.js';

export interface DeviceUsers {
  /** Mount points, also those of the device node itself (raw block volumes are bind mounts of it). */
  readonly mounts: readonly string[];
  /** Names of devices on top: dm-0, md1. */
  readonly holders: readonly string[];
  /** `qemu-system-x86 (pid 4711)`. */
  readonly processes: readonly string[];
}

/** udev and blkid open every new or closed device for some milliseconds: they are waited out, not reported. */
const PASSING_MS = 2_000;
const PAUSE_MS = 50;

/**
 * All users found now. `device` is `/dev/rbd0`; reads /proc and /sys only, never the device. `server` is the pid of the process
 * that serves the device from user space and has it open for that.
 */
export async function deviceUsers(device: string, roots: KernelRoots, server?: number): Promise<DeviceUsers> {
  const name = path.basename(device);
  const numbers = await deviceNumbers(name, roots.sys);
  const { processes, namespaces } = await scanProcesses(name, roots.proc, [process.pid, server]);
  const mounts = new Set<string>();
  for (const file of [`${roots.proc}/self/mountinfo`, ...namespaces]) {
    for (const mount of await readMounts(file).catch(() => [])) {
      if (numbers.has(mount.device) || (await isMountOfNode(mount, name, numbers))) mounts.add(mount.target);
    }
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

/** For an error text; undefined where there is nobody. */
export function describeUsers({ mounts, holders, processes }: DeviceUsers): string | undefined {
  const parts = [
    mounts.length > 0 ? `mounted at ${mounts.join(', ')}` : '',
    holders.length > 0 ? `held by ${holders.join(', ')}` : '',
    processes.length > 0 ? `open in ${processes.join(', ')}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts.join('; ');
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

/** One walk over /proc: who has the node open, and one mountinfo file for each mount namespace but our own. */
async function scanProcesses(
  name: string,
  procRoot: string,
  except: readonly (number | undefined)[],
): Promise<{ processes: readonly string[]; namespaces: readonly string[] }> {
  const processes: string[] = [];
  const namespaces = new Map<string, string>();
  const ours = await readlink(`${procRoot}/self/ns/mnt`).catch(() => '');
  for (const pid of (await readEntries(procRoot)).filter((entry) => /^\d+$/.test(entry))) {
    const namespace = await readlink(`${procRoot}/${pid}/ns/mnt`).catch(() => ours);
    if (namespace !== ours) namespaces.set(namespace, `${procRoot}/${pid}/mountinfo`);
    if (!except.includes(Number(pid)) && (await hasOpen(`${procRoot}/${pid}/fd`, name))) {
      processes.push(`${(await readAttribute(`${procRoot}/${pid}/comm`)) ?? 'a process'} (pid ${pid})`);
    }
  }
  return { processes, namespaces: [...namespaces.values()] };
}

/** Compared by name: looking at other people's descriptors (stat) may hang on a dead network filesystem. */
async function hasOpen(directory: string, name: string): Promise<boolean> {
  // A process may end, or belong to somebody whom we may not look at.
  const descriptors = await readdir(directory).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`${directory}/${descriptor}`).catch(() => '');
    if (target.startsWith('/') && path.posix.basename(target) === name) return true;
  }
  return false;
}
