/** What nbd devices there are and whose, from /sys and /proc: also devices whose rbd-nbd has died, which its own list leaves out. */
import path from 'node:path';
import { readAttribute, readEntries } from './attribute.js';
import { parseLocationName } from './location-name.js';
import type { ImageLocation } from './mapper.js';

export interface NbdDevice {
  /** `nbd3` */
  readonly name: string;
  /** The process that serves it, or served it until it died. */
  readonly pid: number;
  readonly alive: boolean;
  readonly readOnly: boolean;
  /** From the cookie that we mapped it with; undefined where the kernel (before 5.14) or the program keeps none. */
  readonly location: ImageLocation | undefined;
  /** Of the cluster, from the process' arguments. */
  readonly fsid: string | undefined;
}

/** Devices in use, in the kernel's numbering. */
export async function readNbdDevices(sysRoot: string, procRoot: string): Promise<readonly NbdDevice[]> {
  const names = (await readEntries(path.join(sysRoot, 'block'))).filter((name) => /^nbd\d+$/.test(name));
  const devices = await Promise.all(names.map((name) => readDevice(sysRoot, procRoot, name)));
  const inUse = devices.filter((device) => device !== undefined);
  return inUse.sort((a, b) => Number(a.name.slice(3)) - Number(b.name.slice(3)));
}

/** Is the device in use? Its pid file is there exactly as long. */
export const isNbdInUse = async (sysRoot: string, name: string): Promise<boolean> =>
  (await readAttribute(path.join(sysRoot, 'block', name, 'pid'))) !== undefined;

/** How many devices the module made. */
export async function nbdLimit(sysRoot: string): Promise<number> {
  return Number((await readAttribute(path.join(sysRoot, 'module/nbd/parameters/nbds_max'))) ?? 0);
}

async function readDevice(sysRoot: string, procRoot: string, name: string): Promise<NbdDevice | undefined> {
  const directory = path.join(sysRoot, 'block', name);
  const pid = Number(await readAttribute(path.join(directory, 'pid')));
  if (!Number.isSafeInteger(pid)) return undefined;
  const args = ((await readAttribute(path.join(procRoot, String(pid), 'cmdline'))) ?? '').split('\0');
  const alive = path.basename(args[0] ?? '') === 'rbd-nbd';
  const cookie = (await readAttribute(path.join(directory, 'backend'))) ?? '';
  const ofProcess = alive ? (argument(args, '--cookie') ?? '') : '';
  return {
    name,
    pid,
    alive,
    readOnly: (await readAttribute(path.join(directory, 'ro'))) === '1',
    location: parseLocationName(cookie) ?? parseLocationName(ofProcess),
    fsid: alive ? argument(args, '--fsid') : undefined,
  };
}

function argument(args: readonly string[], name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}
