/** Whether loop devices can be had on this machine, and the storage daemon that is behind them. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { missingProgram } from '../../host/process/find-program.js';
import { KERNEL_ROOTS } from '../../rbd/mapping/roots.js';

/** Undefined where images can be mapped, else what is missing. */
export function whyNotLoop(): string | undefined {
  const missing = missingProgram('qemu-storage-daemon', 'losetup', 'flock');
  if (missing !== undefined) return missing;
  for (const node of ['fuse', 'loop-control']) {
    const file = path.join(KERNEL_ROOTS.dev, node);
    if (!existsSync(file)) return `${file} does not exist`;
  }
  return undefined;
}
