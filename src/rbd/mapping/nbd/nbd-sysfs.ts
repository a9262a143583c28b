/**
 * What nbd devices there are and whose, from /sys and /proc: also devices whose rbd-nbd has died, which its own list
 * leaves out.
 */
import path from 'node:path';
import { listDirectory, readAttribute, readWaitingAttribute } from '../../../host/device/kernel-attribute.js';
import { parseLocationName } from '../location-name.js';
import type { ImageLocation } from '../mapper.js';

export interface NbdDevice {
  /** `nbd3` */
  readonly name: string;
  /** The process that serves it; undefined where it has died. */
  readonly server: number | undefined;
  readonly readOnly: boolean;
  /** By which it can be given a new process; empty where the kernel (before 5.14) keeps none. */
  readonly cookie: string;
  /** From the cookie that we mapped it with; undefined where the kernel (before 5.14) or the program keeps none. */
  readonly location: ImageLocation | undefined;
  /** Of the cluster, from the process' arguments. */
  readonly fsid: string | undefined;
}

/** Devices in use, in the kernel's numbering. */
export async function readNbdDevices(sysRoot: string, procRoot: string): Promise<readonly NbdDevice[]> {
  const names = listDirectory(path.join(sysRoot, 'block')).filter((name) => /^nbd\d+$/.test(name));
  const devices = await Promise.all(names.map((name) => readDevice(sysRoot, procRoot, name)));
  const inUse = devices.filter((device) => device !== undefined);
  return inUse.sort((a, b) => Number(a.name.slice(3)) - Number(b.name.slice(3)));
}

/** Is the device in use? Its pid file is there exactly as long. */
export const isNbdInUse = (sysRoot: string, name: string): boolean =>
  readAttribute(path.join(sysRoot, 'block', name, 'pid')) !== undefined;

/** How many devices the module made. */
export const nbdLimit = (sysRoot: string): number =>
  Number(readAttribute(path.join(sysRoot, 'module/nbd/parameters/nbds_max')) ?? 0);

interface Daemon {
  readonly pid: number;
  readonly args: readonly string[];
}

async function readDevice(sysRoot: string, procRoot: string, name: string): Promise<NbdDevice | undefined> {
  const directory = path.join(sysRoot, 'block', name);
  const pid = Number(readAttribute(path.join(directory, 'pid')));
  if (!Number.isSafeInteger(pid)) return undefined;
  const cookie = readAttribute(path.join(directory, 'backend')) ?? '';
  const daemon = await findDaemon(procRoot, pid, cookie);
  const args = daemon?.args ?? [];
  return {
    name,
    server: daemon?.pid,
    readOnly: readAttribute(path.join(directory, 'ro')) === '1',
    cookie,
    location: parseLocationName(cookie) ?? parseLocationName(argument(args, '--cookie') ?? ''),
    fsid: argument(args, '--fsid'),
  };
}

/**
 * The kernel shows the pid of the first daemon for ever; one that was attached later has the cookie among its
 * arguments.
 */
async function findDaemon(procRoot: string, first: number, cookie: string): Promise<Daemon | undefined> {
  const serves = ({ args }: Daemon): boolean => {
    const own = argument(args, '--cookie');
    return cookie === '' || own === undefined || own === cookie;
  };
  const daemon = await readDaemon(procRoot, first);
  if (daemon !== undefined && serves(daemon)) return daemon;
  if (cookie === '') return undefined;
  for (const pid of listDirectory(procRoot).filter((entry) => /^\d+$/.test(entry))) {
    const other = await readDaemon(procRoot, Number(pid));
    if (other !== undefined && argument(other.args, '--cookie') === cookie) return other;
  }
  return undefined;
}

async function readDaemon(procRoot: string, pid: number): Promise<Daemon | undefined> {
  // The kernel waits for the lock on the process' memory, which one that hangs may hold.
  const args = ((await readWaitingAttribute(path.join(procRoot, String(pid), 'cmdline'))) ?? '').split('\0');
  return path.basename(args[0] ?? '') === 'rbd-nbd' ? { pid, args } : undefined;
}

function argument(args: readonly string[], name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}
