/** May this process mount? */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE, hasCapability } from '../../host/process/confine/capability-set.js';
import type { Finding } from '../../model/finding.js';

export async function checkPrivileges(procRoot: string): Promise<Finding> {
  const name = 'privileges';
  const status = await readFile(path.join(procRoot, 'self/status'), 'utf8');
  if (!hasCapability(status, CAP_SYS_ADMIN)) {
    return {
      name,
      level: 'failed',
      says: 'CAP_SYS_ADMIN is missing, so nothing can be mounted; make the container privileged',
    };
  }
  if (!hasCapability(status, CAP_SYS_RESOURCE)) {
    const says = 'CAP_SYS_RESOURCE is missing, so ext4 grows at the next stage only; make the container privileged';
    return { name, level: 'warning', says };
  }
  return { name, level: 'ok', says: 'may mount and grow' };
}
