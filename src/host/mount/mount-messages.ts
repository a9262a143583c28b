/**
 * The only place that reads what mount(8), umount(8) and dmesg(1) print:
 * the first two answer 32 for every failure (util-linux 2.27 and newer).
 */

/** umount: the kernel said EBUSY. */
export const saysBusy = (stderr: string): boolean => /target is busy|device is busy/.test(stderr);

/** umount: there was nothing (any more); somebody else may have been quicker. */
export const saysNotMounted = (stderr: string): boolean =>
  /not mounted|no mount point specified|mountpoint not found/.test(stderr);

/**
 * mount: the kernel said EUCLEAN or EBADMSG, which xfs and ext4 use for metadata that contradicts itself or its
 * checksum.
 */
export const saysDamaged = (stderr: string): boolean => /Structure needs cleaning|Bad message/.test(stderr);

/**
 * mount: the kernel said EINVAL: an option that it does not know, a superblock that it does not take, features that it
 * lacks. Since 2.39 with the new system calls.
 */
export const saysRefused = (stderr: string): boolean =>
  /bad option|wrong fs type|fsconfig system call failed|fsconfig\(\) failed/.test(stderr);

/** mount: the kernel said EIO. A device that ends before its filesystem does so, too. */
export const saysUnreadable = (stderr: string): boolean => /can't read superblock/.test(stderr);

/** mount: the kernel said EROFS or EACCES: a journal is to be applied to a device that takes no writes. */
export const saysWriteProtected = (stderr: string): boolean =>
  /cannot mount .* read-only|is write-protected/.test(stderr);

/** mount: the kernel said EBUSY. */
export const saysInUse = (stderr: string): boolean => /already mounted|mount point busy/.test(stderr);

/** Of an earlier mount of the device, which went well. */
const ALL_WELL = /^(un)?mount(ed|ing) |^Ending clean mount|^recovery complete/i;

/**
 * dmesg: what file systems said of this device since then, without time and device.
 * @param since s since the start of the machine
 */
export function kernelLines(log: string, name: string, since: number): readonly string[] {
  const line = new RegExp(`^\\[ *(\\d+\\.\\d+)\\] .*\\((?:device )?${name}\\)[^:]*: (.*)$`);
  return log.split('\n').flatMap((text) => {
    const [, at, words] = line.exec(text) ?? [];
    return words !== undefined && Number(at) >= since && !ALL_WELL.test(words) ? [words.trim()] : [];
  });
}
