/** What a pod would do with a device: a filesystem, a file, a sector; each bounded, for the device may be dead. */
import { mkdtemp, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../../src/host/process/exec.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { Deadline } from '../../../src/model/deadline.js';

/** Ten times what the slowest thing takes in a guest that has the machine for itself. */
export const soon = (): Deadline => Deadline.after(60_000);

export async function makeExt4(device: string): Promise<void> {
  await run('mkfs.ext4', ['-q', device], { deadline: soon() });
}

/** Run `job` with the device mounted at a directory of its own. */
export async function mounted<T>(device: string, job: (target: string) => Promise<T>): Promise<T> {
  const target = await mkdtemp('/run/berth-vm-');
  await mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
  try {
    return await job(target);
  } finally {
    await unmount(run, target, soon());
    await rmdir(target);
  }
}

export const put = (directory: string, text: string, flush = true): Promise<void> =>
  writeFile(path.join(directory, 'file'), text, { flush });

export const get = (directory: string): Promise<string> => readFile(path.join(directory, 'file'), 'utf8');

/** The first sector through the device, past the cache. */
export async function writeSector(device: string, text: string): Promise<void> {
  // nocreat: a node that is missing would become a file, which the next mapping finds in its place.
  const args = [`of=${device}`, 'bs=4096', 'count=1', 'conv=nocreat,sync', 'oflag=direct', 'status=none'];
  await run('dd', args, { deadline: soon(), input: text });
}

export async function readSector(device: string): Promise<string> {
  const args = [`if=${device}`, 'bs=4096', 'count=1', 'iflag=direct', 'status=none'];
  return (await run('dd', args, { deadline: soon() })).stdout.replace(/\0+$/, '');
}
