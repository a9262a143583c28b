/** Who uses a mapped device, and who still does when passing users have had time to go. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeUsers, type Users } from '../../host/users/describe.js';
import { usersOfDevice } from '../../host/users/find.js';
import { Deadline } from '../../model/deadline.js';
import type { KernelRoots } from './roots.js';

export { describeUsers };
export type DeviceUsers = Users;

/** udev and blkid open every new or closed device for some milliseconds: they are waited out, not reported. */
const PASSING_MS = 2_000;
const PAUSE_MS = 50;
/** What a look for an error text may take, ms. */
const LOOK_MS = 1_500;
const UNKNOWN = 'users that could not be looked for in time';

/** The users found now. `server` is the pid of the process that serves the device from user space and has it open for that. */
export function deviceUsers(
  device: string,
  roots: KernelRoots,
  server?: number,
  deadline: Deadline = Deadline.after(LOOK_MS),
): Promise<DeviceUsers> {
  return usersOfDevice(device, { roots, deadline, except: [process.pid, server] });
}

/** udev's processes: they look at a device and leave it, unless it does not answer. */
const LOOKS_ONLY = /^(systemd-udevd|\(udev-worker\))$/;

/** The users of a device that nobody serves; whoever only looks at it waits there for an answer that does not come. */
export async function usersOfDead(device: string, roots: KernelRoots, deadline: Deadline): Promise<string | undefined> {
  const users = await deviceUsers(device, roots, undefined, deadline.within(LOOK_MS));
  const staying = users.processes.filter(({ name }) => !LOOKS_ONLY.test(name));
  return describeUsers({ ...users, processes: staying }) ?? (users.cut ? UNKNOWN : undefined);
}

/**
 * The users that are still there after passing ones had time to go; undefined where the device is free. Not having been able to look is not
 * free: what is taken from under an unseen mount loses its data.
 */
export async function lastingUsers(
  device: string,
  roots: KernelRoots,
  deadline: Deadline,
  server?: number,
): Promise<string | undefined> {
  const patience = deadline.within(PASSING_MS);
  let before: string | undefined = UNKNOWN;
  for (;;) {
    const users = await deviceUsers(device, roots, server, deadline);
    const who: string | undefined = describeUsers(users) ?? (users.cut ? before : undefined);
    before = who;
    const passing = users.mounts.length === 0 && users.holders.length === 0 && !users.cut;
    if (!passing || users.processes.length === 0 || patience.expired) return who;
    await sleep(Math.min(PAUSE_MS, patience.remaining()));
  }
}
