/** Who uses a mapped device, and who still does when passing users have had time to go. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeUsers, type Users } from '../../host/users/describe-users.js';
import { usersOfDevice } from '../../host/users/find-users.js';
import { Deadline } from '../../model/deadline.js';
import type { KernelRoots } from './roots.js';

export { describeUsers };
export type DeviceUsers = Users;

/**
 * udev and blkid open every new or closed device for some milliseconds. Whoever starts a container copies all mounts
 * into a namespace of its own, and lets go of them there. Such users are waited out, not reported.
 */
const PASSING_MS = 2_000;
/** The same for udev itself, which leaves by itself and reads slowly where the machine or the cluster is slow. */
const UDEV_MS = 10_000;
const PAUSE_MS = 50;
/** What the search for an error text may take, ms. */
const SEARCH_MS = 1_500;
const UNKNOWN = 'users that could not be looked for in time';

/**
 * The users found now. `server` is the pid of the process that serves the device from user space and has it open for
 * that.
 */
export function deviceUsers(
  device: string,
  roots: KernelRoots,
  server?: number,
  deadline: Deadline = Deadline.after(SEARCH_MS),
): Promise<DeviceUsers> {
  return usersOfDevice(device, { roots, deadline, except: [process.pid, server] });
}

/** udev's processes, the last from 262 on: they read a device and leave it, unless it does not answer. */
const READS_ONLY = /^(systemd-udevd|\(udev-worker\)|\(udev-synth\))$/;
const readsOnly = ({ name }: DeviceUsers['processes'][number]): boolean => READS_ONLY.test(name);

/** How long these users are waited for, in ms: 0 where one of them will not pass by itself. */
export function passingMs({ mounts, devicesOnTop, processes }: DeviceUsers): number {
  if (mounts.some(({ within }) => within === undefined) || devicesOnTop.length > 0) return 0;
  return processes.length > 0 && processes.every(readsOnly) ? UDEV_MS : PASSING_MS;
}

/** The users of a device that nobody serves; whoever only reads it waits there for an answer that does not come. */
export async function usersOfDead(device: string, roots: KernelRoots, deadline: Deadline): Promise<string | undefined> {
  const users = await deviceUsers(device, roots, undefined, deadline.within(SEARCH_MS));
  const staying = users.processes.filter((one) => !readsOnly(one));
  return describeUsers({ ...users, processes: staying }) ?? (users.cut ? UNKNOWN : undefined);
}

/**
 * The users that are still there after passing ones had time to go; undefined where the device is free. A search that
 * was cut short does not mean free: a device that goes from under an unseen mount takes its data along.
 */
export async function lastingUsers(
  device: string,
  roots: KernelRoots,
  deadline: Deadline,
  server?: number,
): Promise<string | undefined> {
  const begun = performance.now();
  let before: string | undefined = UNKNOWN;
  for (;;) {
    const users = await deviceUsers(device, roots, server, deadline);
    const who: string | undefined = describeUsers(users) ?? (users.cut ? before : undefined);
    before = who;
    const isFree = users.processes.length === 0 && users.mounts.length === 0;
    const left = users.cut || isFree ? 0 : begun + passingMs(users) - performance.now();
    if (left <= 0 || deadline.expired) return who;
    await sleep(Math.min(PAUSE_MS, left, deadline.remaining()));
  }
}
