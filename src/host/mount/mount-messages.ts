/**
 * The only place that reads what mount(8) and umount(8) print:
 * both answer 32 for every failure (util-linux 2.27 and newer).
 */

/** umount: the kernel said EBUSY. */
export const saysBusy = (stderr: string): boolean => /target is busy|device is busy/.test(stderr);

/** umount: there was nothing (any more); somebody else may have been quicker. */
export const saysNotMounted = (stderr: string): boolean =>
  /not mounted|no mount point specified|mountpoint not found/.test(stderr);

/** mount: the kernel said EUCLEAN, which xfs and ext4 use for metadata that contradicts itself. */
export const saysDamaged = (stderr: string): boolean => /Structure needs cleaning/.test(stderr);

/** mount: the kernel said EINVAL: an option that it does not know, or a superblock that is none. */
export const saysRefused = (stderr: string): boolean => /bad option|wrong fs type/.test(stderr);
