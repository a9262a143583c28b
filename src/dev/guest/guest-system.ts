/** What a sandbox' guest boots: the distribution's kernel, and a shell with the modules of a disk, all in memory. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';
import { packageRoot } from '../../model/package-root.js';
import { Archive } from './cpio.js';
import { earlyModules } from './modules.js';
import { unpackedPackages } from './unpacked.js';

const PACKAGES_MS = 900_000;
const MODULES = ['crc32c_generic', 'crc32c_intel', 'virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'ext4', 'xfs'];

/** A kernel, and its first and only file system. */
export interface GuestSystem {
  readonly kernel: string;
  readonly initramfs: string;
}

/**
 * Make it, once for all guests of a run, in a directory of that run; `say` is told before anything is downloaded.
 * BERTH_COMMAND_FAILED, DEADLINE.
 * @param moreModules that are loaded beside those of disks and their filesystems
 */
export async function guestSystem(
  directory: string,
  say: (line: string) => void = () => undefined,
  moreModules: readonly string[] = [],
): Promise<GuestSystem> {
  const unpacked = await unpackedPackages(run, say, Deadline.after(PACKAGES_MS));
  const archive = new Archive();
  for (const name of ['bin', 'proc', 'sys', 'dev', 'modules']) archive.directory(name);
  archive.file('bin/busybox', await readFile(unpacked.busybox), 0o755);
  archive.file('init', await readFile(path.join(packageRoot(), 'src/dev/guest/init')), 0o755);
  const order = await earlyModules(unpacked.modules, [...MODULES, ...moreModules]);
  for (const module of order)
    archive.file(`modules/${path.basename(module)}`, await readFile(path.join(unpacked.modules, module)));
  archive.file('modules/order', order.map((module) => `${path.basename(module)}\n`).join(''));
  const initramfs = path.join(directory, 'guest-initramfs');
  await writeFile(initramfs, archive.end());
  return { kernel: unpacked.kernel, initramfs };
}
