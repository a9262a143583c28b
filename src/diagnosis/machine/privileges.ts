/** May this process mount? */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Finding } from '../../model/finding.js';

/** linux/capability.h */
const SYS_ADMIN = 21n;
const SYS_RESOURCE = 24n;

export async function checkPrivileges(procRoot: string): Promise<Finding> {
  const name = 'privileges';
  const status = await readFile(path.join(procRoot, 'self/status'), 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: bigint): boolean => ((effective >> bit) & 1n) === 1n;
  if (!has(SYS_ADMIN)) {
    return {
      name,
      level: 'failed',
      says: 'CAP_SYS_ADMIN is missing, so nothing can be mounted; make the container privileged',
    };
  }
  if (!has(SYS_RESOURCE)) {
    const says = 'CAP_SYS_RESOURCE is missing, so ext4 grows at the next stage only; make the container privileged';
    return { name, level: 'warning', says };
  }
  return { name, level: 'ok', says: 'may mount and grow' };
}
