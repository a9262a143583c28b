/**
 * Undoes what drivers of one directory left on this machine:
 * their processes, mounts, loop and rbd devices, FUSE exports.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Exec } from '../host/process/exec.js';
import { detachLoop, findLoops } from './mapper/loop-device.js';
import { unmount } from '../host/mount/mount.js';
import { readMounts, type Mount } from '../host/mount/mountinfo.js';
import type { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import { isWithin, realDirectory } from './directory.js';
import { findProcesses, stopProcesses, type RunningProcess } from './processes.js';

/** What served images to the kernel from user space; they outlive the driver that started them. */
const SERVERS = ['qemu-storage-daemon', 'rbd-fuse', 'rbd-nbd'];
/** Virtual machines. Whoever has a disk of ours open is ended first, as by a power cut. */
const GUEST = /^qemu-system-/;
/** The driver that ships and the one for development, of whatever copy of Berth. */
const PROGRAMS = ['/dist/src/main.js', '/dist/dev/driver-program.js'];
const DRIVER_GRACE_MS = 15_000;
const SERVER_GRACE_MS = 3_000;
/**
 * A filesystem on a device whose cluster is dead never finishes unmounting; one on a living cluster does within this.
 */
const UNMOUNT_MS = 15_000;

const readLine = async (file: string): Promise<string> => (await readFile(file, 'utf8').catch(() => '')).trim();

const mentions = (one: RunningProcess, directory: string): boolean =>
  one.argv.some((argument) => argument.includes(`${directory}/`));

/** Also as distributions and version managers call it: `nodejs`, `node24`. */
const NODE = /^node(js|-?\d[\d.]*)?$/;

const isDriver = (one: RunningProcess): boolean =>
  NODE.test(one.program) && one.argv.some((argument) => PROGRAMS.some((program) => argument.endsWith(program)));

/** Drivers that serve a state directory below `directory`. */
export const driversOf = (directory: string): Promise<readonly RunningProcess[]> =>
  findProcesses((one) => isDriver(one) && mentions(one, directory));

const guestsOf = (directory: string): Promise<readonly RunningProcess[]> =>
  findProcesses((one) => GUEST.test(one.program) && mentions(one, directory));

const serversOf = (directory: string): Promise<readonly RunningProcess[]> =>
  findProcesses((one) => SERVERS.includes(one.program) && mentions(one, directory));

/** The driver that was started for this socket, wherever its own options made it listen. */
export const stopDriverAt = async (socket: string, deadline: Deadline): Promise<void> => {
  const found = await findProcesses((one) => isDriver(one) && one.argv.includes(`unix://${socket}`));
  return stopProcesses(found, DRIVER_GRACE_MS, deadline);
};

const stopDrivers = async (directory: string, deadline: Deadline): Promise<void> =>
  stopProcesses(await driversOf(directory), DRIVER_GRACE_MS, deadline);

/** Kernel rbd devices of a cluster, as `/dev/rbdN`. */
async function rbdDevicesOf(fsid: string): Promise<readonly string[]> {
  const ids = await readdir('/sys/bus/rbd/devices').catch(() => []);
  const fsids = await Promise.all(ids.map((id) => readLine(`/sys/bus/rbd/devices/${id}/cluster_fsid`)));
  return ids.filter((_, index) => fsids[index] === fsid).map((id) => `/dev/rbd${id}`);
}

/** Is this a filesystem on one of the devices, or a bind mount of a device's node (a published raw block volume)? */
async function mountsOf(devices: readonly string[]): Promise<readonly Mount[]> {
  const names = devices.map((device) => path.basename(device));
  const numbers = await Promise.all(names.map((name) => readLine(`/sys/class/block/${name}/dev`)));
  const isNode = (mount: Mount): boolean =>
    ['devtmpfs', 'tmpfs'].includes(mount.fsType) && names.includes(path.basename(mount.root));
  return (await readMounts()).filter((mount) => numbers.includes(mount.device) || isNode(mount));
}

/** Newest first: a mount may cover an older one. */
async function unmountAll(exec: Exec, mounts: readonly Mount[], deadline: Deadline): Promise<void> {
  for (const mount of mounts.toReversed()) await unmount(exec, mount.target, deadline.within(UNMOUNT_MS));
}

async function releaseDevices(exec: Exec, directory: string, fsid: string, deadline: Deadline): Promise<void> {
  const loops = (await findLoops()).filter((loop) => isWithin(directory, loop.file)).map((loop) => loop.device);
  const rbds = await rbdDevicesOf(fsid);
  await unmountAll(exec, await mountsOf([...loops, ...rbds]), deadline);
  for (const loop of loops) await detachLoop(exec, loop, deadline);
  for (const rbd of rbds) await exec('rbd', ['device', 'unmap', '--options', 'noudev', rbd], { deadline });
}

/**
 * End guests and drivers, unmount everything on their devices wherever it is mounted, detach the devices, end what
 * served them.
 * `clusterLives` is false where daemons are missing: I/O would hang, so what serves it is killed first and fails it.
 * Errors: BERTH_UNMOUNT_BUSY names who still uses a mount; LEFTOVER, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function clearLeftovers(
  exec: Exec,
  directory: string,
  cluster: { readonly fsid: string; readonly lives: boolean },
  deadline: Deadline,
): Promise<void> {
  await stopProcesses(await guestsOf(directory), 0, deadline);
  await stopDrivers(directory, deadline);
  const killServers = async (): Promise<void> => stopProcesses(await serversOf(directory), 0, deadline);
  if (!cluster.lives) await killServers();
  try {
    await releaseDevices(exec, directory, cluster.fsid, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_DEADLINE')) throw error;
    await killServers();
    await releaseDevices(exec, directory, cluster.fsid, deadline);
  }
  await stopProcesses(await serversOf(directory), SERVER_GRACE_MS, deadline);
  // FUSE files of a server that was killed, and whatever a test mounted there.
  const inside = (await readMounts()).filter((mount) => isWithin(directory, mount.target));
  await unmountAll(exec, inside, deadline);
}

/**
 * What is still there of a directory that was taken down: processes, mounts, loop devices, the directory itself; empty
 * for nothing.
 */
export async function leftBehind(directory: string): Promise<readonly string[]> {
  const processes = await findProcesses((one) => mentions(one, directory));
  const mounts = (await readMounts()).filter((mount) => isWithin(directory, mount.target));
  const loops = (await findLoops()).filter((loop) => isWithin(directory, loop.file));
  return [
    ...processes.map((one) => `process ${one.pid} (${one.program})`),
    ...mounts.map((mount) => `mount ${mount.target}`),
    ...loops.map((loop) => loop.device),
    ...((await realDirectory(directory)) === undefined ? [] : [directory]),
  ];
}
