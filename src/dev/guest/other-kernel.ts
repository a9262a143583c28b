/** The kernel of another suite of the distribution, with its modules as plain files: any shell can load those. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { downloadPackages } from '../root/private-apt.js';
import type { Suite } from '../root/release.js';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { machine } from './machine.js';

/** Kernels by their version, and where Debian has them. */
export const KERNELS: Readonly<Record<string, Suite>> = { '6.1': 'bookworm', '6.12': 'trixie', '7': 'sid' };

/** Its parts: one package up to trixie, three in sid. */
const PARTS = /^linux-(image|binary|modules|base)-\d/;
/** For devices that the guest has not: most of the bytes. */
const UNWANTED = [
  ...['drivers/gpu', 'drivers/media', 'drivers/net/wireless', 'drivers/net/ethernet', 'drivers/iio', 'drivers/usb'],
  ...['drivers/staging', 'drivers/infiniband', 'drivers/hid', 'drivers/input', 'drivers/hwmon', 'drivers/video'],
  ...['drivers/platform', 'drivers/scsi/[a-r]*', 'sound'],
];
/** The same whether a package still has /lib or already /usr/lib. */
const MERGED_USR = String.raw`--transform=s,^\./lib/,./usr/lib/,Sh`;
const UNPACK = 'dpkg-deb --fsys-tarfile "$0" | "$@"';
const PLAIN = 'find "$0" -name "*.ko.xz" -print0 | xargs -0 -r -n 64 -P 2 xz -d';

/**
 * Download and unpack it into `directory/kernel`: `boot/vmlinuz-<release>` and `usr/lib/modules/<release>`.
 * BERTH_PACKAGES_MISSING, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function unpackKernelOf(exec: Exec, suite: Suite, directory: string, deadline: Deadline): Promise<void> {
  const kernel = path.join(directory, 'kernel');
  const apt = path.join(directory, 'apt');
  await mkdir(kernel, { recursive: true });
  const files = await downloadPackages(exec, apt, suite, [machine().kernelPackage], deadline);
  const excluded = UNWANTED.map((name) => `--exclude=./*lib/modules/*/kernel/${name}`);
  for (const file of files.filter((one) => PARTS.test(path.basename(one)))) {
    const tar = ['tar', '-x', '-C', kernel, MERGED_USR, '--exclude=./usr/share', '--wildcards', ...excluded];
    await exec('sh', ['-c', UNPACK, file, ...tar], { deadline });
  }
  await rm(apt, { recursive: true });
  await exec('sh', ['-c', PLAIN, kernel], { deadline });
  await placeImage(kernel);
}

/** sid keeps the kernel beside its modules. */
async function placeImage(kernel: string): Promise<void> {
  const modules = path.join(kernel, 'usr/lib/modules');
  const [release = ''] = await readdir(modules);
  await mkdir(path.join(kernel, 'boot'), { recursive: true });
  await rename(path.join(modules, release, 'vmlinuz'), path.join(kernel, 'boot', `vmlinuz-${release}`)).catch(
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    },
  );
}
