/** Where the kernel shows itself; unit tests put fixture directories in their place. */

export interface KernelRoots {
  readonly sys: string;
  readonly dev: string;
  readonly proc: string;
}

export const KERNEL_ROOTS: KernelRoots = { sys: '/sys', dev: '/dev', proc: '/proc' };
