/** Sparse files, loop devices and directories that a test gets and that are gone when it ends, however it ends. */
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { CAP_SYS_RESOURCE, hasCapability } from '../../../src/host/process/confine/capability-set.js';
import { run } from '../../../src/host/process/exec.js';
import { attachLoop, findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';

export const MIB = 1024 * 1024;
export const soon = () => Deadline.after(60_000);

/**
 * A line of shell, the first in a mount namespace of its own: unmounts there what tests beside this one have mounted.
 * The namespace is a copy of all mounts, and would keep their devices in use.
 */
export const LET_GO_OF_OTHERS =
  "grep -o ' /[^ ]*/berth-it-[^ ]*' /proc/self/mountinfo | sort -r | xargs -r -n 1 umount --lazy 2> /dev/null || true";

/** An empty directory; whatever the test leaves mounted in it or attached from it goes with it. */
export async function scratchDirectory(within = tmpdir()): Promise<string> {
  const directory = await mkdtemp(path.join(within, 'berth-host-'));
  onTestFinished(async () => {
    const mounts = (await readMounts()).filter(({ target }) => target.startsWith(`${directory}/`));
    for (const { target } of mounts.reverse()) await run('umount', ['--lazy', target], { deadline: soon() });
    for (const { device, file } of await findLoops()) {
      if (file.startsWith(`${directory}/`)) await run('losetup', ['--detach', device], { deadline: soon() });
    }
    await rm(directory, { recursive: true });
  });
  return directory;
}

/** A sparse file of that many bytes. */
export async function sparseFile(file: string, bytes: number): Promise<string> {
  const handle = await open(file, 'w');
  await handle.truncate(bytes);
  await handle.close();
  return file;
}

export interface Scratch {
  readonly directory: string;
  readonly file: string;
  readonly device: string;
  /** An empty directory to mount on. */
  readonly target: string;
}

/** A zeroed block device of that many bytes. */
export async function scratchDevice(bytes: number): Promise<Scratch> {
  const directory = await scratchDirectory();
  const file = await sparseFile(path.join(directory, 'image'), bytes);
  const device = await attachLoop(run, { file, readOnly: false }, soon());
  const target = path.join(directory, 'target');
  await mkdir(target);
  return { directory, file, device, target };
}

/** Write bytes into a file at an offset, as another node would: below the loop device. */
export async function writeAt(file: string, offset: number, bytes: Buffer | string): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from(bytes), 0, undefined, offset);
  await handle.sync();
  await handle.close();
}

/** May this process grow a mounted ext4? */
export const mayResizeOnline = async (): Promise<boolean> =>
  hasCapability(await readFile('/proc/self/status', 'utf8'), CAP_SYS_RESOURCE);
