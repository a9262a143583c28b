/** Can tools that parse what a guest wrote be kept to their one device? Where not, they run as what the driver is. */
import { toolNamespace } from '../../host/process/confine/tool-namespace.js';
import type { Finding } from '../../model/finding.js';

/** @param namespace as {@link toolNamespace} answers it */
export async function checkConfinement(namespace: () => Promise<string | undefined> = toolNamespace): Promise<Finding> {
  const name = 'tools';
  if ((await namespace()) !== undefined) return { name, level: 'ok', says: 'blkid and e2fsck see one device each' };
  const says =
    'blkid and e2fsck cannot be confined: they read what guests wrote with all rights of this driver; it takes ' +
    'unshare, nsenter and setpriv of util-linux, and a machine that lets this process mount in a namespace of its own';
  return { name, level: 'warning', says };
}
