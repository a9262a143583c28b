/** Loop devices: a file as a block device. What is attached is read from sysfs, never remembered. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { setDeviceReadOnly } from '../../host/device/block-device.js';
import { blockSizeBytes, listDirectory, readAttribute } from '../../host/device/kernel-attribute.js';
import { pollUntil } from '../../model/time-limit.js';
import { isErrno } from '../../host/errno.js';
import type { Exec, ExecResult } from '../../host/process/exec.js';
import { readMounts } from '../../host/mount/mountinfo.js';

export interface LoopDevice {
  /** `/dev/loopN` */
  readonly device: string;
  readonly file: string;
  readonly readOnly: boolean;
  /** The file has no name any more. */
  readonly deleted: boolean;
}

/** losetup(8) answers 1 for every failure. */
const FAILED = 1;
const SYSFS = '/sys/block';
/** The kernel appends it to the path of a file without a name (d_path). */
const DELETED = ' (deleted)';
/** What it shows for a file that was a mount of its own (FUSE) and is not mounted any more. */
const UNMOUNTED = '/';
/** How often somebody else may be quicker to take the device that the kernel named as free. */
const ATTEMPTS = 5;
/**
 * How long the last user of a device may take to close it, ms: udev and blkid look at devices that change, and the
 * kernel closes what was mounted in a thread of its own, late on a starved machine.
 */
const CLOSE_MS = 15_000;

/** Every loop device that has a file, ours or not; no child, no I/O. */
export function findLoops(sysfs = SYSFS): Promise<readonly LoopDevice[]> {
  // In place, as kernel-attribute.ts says: by way of the thread pool the answers take ten times as long.
  const names = readdirSync(sysfs).filter((name) => /^loop\d+$/.test(name));
  const attached = names.filter((name) => existsSync(path.join(sysfs, name, 'loop')));
  return Promise.resolve(attached.map((name) => readLoop(sysfs, name)).filter((loop) => loop !== undefined));
}

/**
 * Attach `file` to a free loop device and return it; with direct I/O where the file's filesystem can, so that nothing
 * is cached twice. BERTH_DEVICE_INVALID where it was to be writable and is not; BERTH_COMMAND_FAILED,
 * BERTH_COMMAND_MISSING, DEADLINE. After DEADLINE it may be attached: {@link findLoops} tells.
 */
export async function attachLoop(
  exec: Exec,
  { file, readOnly }: { readonly file: string; readonly readOnly: boolean },
  deadline: Deadline,
): Promise<string> {
  const flags = ['--find', '--show', ...(readOnly ? ['--read-only'] : [])];
  let directIo = ['--direct-io=on'];
  for (let attempt = 1; ; attempt += 1) {
    const result = await exec('losetup', [...flags, ...directIo, '--', file], { deadline, okCodes: [0, FAILED] });
    // A losetup that attaches first and switches to direct I/O then may fail having attached.
    if (result.stdout.startsWith('/dev/')) {
      const device = result.stdout.trim();
      if (!readOnly) await ensureWritable(exec, device, deadline);
      return device;
    }
    if (directIo.length > 0 && saysNoDirectIo(result.stderr)) directIo = [];
    else if (!saysTaken(result.stderr) || attempt === ATTEMPTS) throw attachFailed(result);
  }
}

/**
 * Detach; a device without a file is a success. Returns when the device is really free. BERTH_DEVICE_BUSY where
 * something uses it: the kernel would answer success, mark it to be detached at the last close, and leave the file in
 * use. BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function detachLoop(exec: Exec, device: string, deadline: Deadline): Promise<void> {
  const before = readLoop(SYSFS, path.basename(device));
  if (before === undefined) return;
  const who = await holders(device);
  if (who !== undefined) throw berthError('BERTH_DEVICE_BUSY', { device, who });
  try {
    await exec('losetup', ['--detach', device], { deadline });
  } catch (error) {
    // Somebody else detached it in between, or an earlier detach came into effect.
    if (isFreed(device, before)) return;
    throw error;
  }
  await waitUntilFree(device, before, deadline);
}

/**
 * Detach now, or where something uses it when the last of its users closes it; the kernel sees to that
 * (LO_FLAGS_AUTOCLEAR). BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function detachAtLastClose(exec: Exec, device: string, deadline: Deadline): Promise<void> {
  await exec('losetup', ['--detach', device], { deadline });
}

/** Take over the file's new size (losetup -c); BERTH_COMMAND_FAILED, DEADLINE. */
export async function refreshLoop(exec: Exec, device: string, deadline: Deadline): Promise<void> {
  await exec('losetup', ['--set-capacity', device], { deadline });
}

/** Wait until the file has its new size (bytes), and show it. BERTH_COMMAND_FAILED, DEADLINE. */
export async function growLoop(
  exec: Exec,
  { device, file, size }: { readonly device: string; readonly file: string; readonly size: bigint },
  deadline: Deadline,
): Promise<void> {
  const shows = (bytes: bigint | undefined): true | undefined => (bytes === size ? true : undefined);
  // In a child, for a call of ours to a FUSE file could hang beyond any deadline; its attributes are cached for up to
  // 1.5 s.
  const served = async () => BigInt((await exec('stat', ['-c', '%s', file], { deadline })).stdout);
  await pollUntil(async () => shows(await served()), `waiting for ${file} to grow`, deadline);
  await refreshLoop(exec, device, deadline);
  const shown = () => Promise.resolve(shows(blockSizeBytes('/sys', path.basename(device))));
  await pollUntil(shown, `waiting for ${device} to grow`, deadline);
}

/** losetup: another process took the device between finding and using it. */
export const saysTaken = (stderr: string): boolean =>
  /Device or resource busy|Resource temporarily unavailable/.test(stderr);

/** losetup: the file cannot be opened for direct I/O (ramfs, some FUSE and network filesystems). */
export const saysNoDirectIo = (stderr: string): boolean =>
  /failed to set up loop device: Invalid argument|set direct io failed/.test(stderr);

/**
 * `blockdev --setro` on a loop device outlives its file (measured, 6.18): the next file is read-only too. And losetup
 * itself turns to read-only where the file cannot be opened for writing.
 */
async function ensureWritable(exec: Exec, device: string, deadline: Deadline): Promise<void> {
  const attached = () => readLoop(SYSFS, path.basename(device));
  if (attached()?.readOnly !== true) return;
  await setDeviceReadOnly(exec, device, false, deadline);
  if (attached()?.readOnly !== true) return;
  await detachLoop(exec, device, deadline);
  throw berthError('BERTH_DEVICE_INVALID', { device, why: 'its file cannot be written' });
}

const attachFailed = ({ exitCode, stderr }: ExecResult) =>
  berthError('BERTH_COMMAND_FAILED', { command: 'losetup --find', how: `exit code ${exitCode}`, stderr });

function readLoop(sysfs: string, name: string): LoopDevice | undefined {
  const attribute = (file: string) => readFileSync(path.join(sysfs, name, file), 'utf8');
  try {
    const [backing, ro] = [attribute('loop/backing_file'), attribute('ro')];
    const file = backing.replace(/\n$/, '');
    const deleted = file.endsWith(DELETED);
    return {
      device: `/dev/${name}`,
      file: deleted ? file.slice(0, -DELETED.length) : file,
      readOnly: ro.trim() !== '0',
      deleted,
    };
  } catch (error) {
    // ENXIO, ENODEV: the device has no file any more, or went, between opening the attribute and reading it.
    if (isErrno(error, 'ENOENT', 'ENXIO', 'ENODEV', 'EINVAL')) return undefined;
    throw error;
  }
}

/** Who would keep the device after a detach, as far as this mount namespace and sysfs show it. */
async function holders(device: string): Promise<string | undefined> {
  const name = path.basename(device);
  const number = readAttribute(`${SYSFS}/${name}/dev`);
  const mount = (await readMounts()).find((one) => one.device === number);
  if (mount !== undefined) return `it is mounted at ${mount.target}`;
  const stacked = listDirectory(`${SYSFS}/${name}/holders`);
  return stacked.length > 0 ? `${stacked.join(', ')} stands on it` : undefined;
}

function isFreed(device: string, before: LoopDevice): true | undefined {
  const now = readLoop(SYSFS, path.basename(device));
  return now === undefined || (now.file !== before.file && now.file !== UNMOUNTED) ? true : undefined;
}

async function waitUntilFree(device: string, before: LoopDevice, deadline: Deadline): Promise<void> {
  try {
    await pollUntil(() => Promise.resolve(isFreed(device, before)), `detaching ${device}`, deadline.within(CLOSE_MS));
  } catch (error) {
    if (!isBerthError(error, 'BERTH_DEADLINE')) throw error;
    throw berthError(
      'BERTH_DEVICE_BUSY',
      { device, who: 'a process has it open; it is detached when that closes it' },
      error,
    );
  }
}
