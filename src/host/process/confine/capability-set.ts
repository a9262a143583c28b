/** The capabilities of a process, from its /proc/PID/status. */

/** Bits of a capability set (linux/capability.h). */
export const CAP_SYS_ADMIN = 21n;
/** Without it the kernel refuses ext4's online resize, among other things. */
export const CAP_SYS_RESOURCE = 24n;

/** Does a process with this status have the capability in effect? @param status the text of the file */
export function hasCapability(status: string, bit: bigint): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
}
