/** The ceph.conf that the storage daemon's librbd reads: the monitors and limits, never a key, nothing of /etc/ceph. */
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClusterAccess } from '../../rbd/port.js';
import { byAddress } from '../../rbd/resolve-monitors.js';

/** s until librados stops looking for a monitor; QEMU's whole main loop stands still for that time. */
const MOUNT_TIMEOUT_S = 10;
/**
 * s until an operation on a dead OSD is an I/O error. krbd and rbd-nbd wait without a limit, for neither a filesystem
 * nor a database survives one. Here it is far longer than a cluster is silent that comes back, and a machine of
 * development whose cluster was killed lets go of its mounts at last.
 */
const OSD_TIMEOUT_S = 600;

/** Of this process, several of which may be written at a time. */
let drafts = 0;

/** Write it (0600, in one piece) and return its path; one file for each cluster, monitors as they are today. */
export async function writeClientConf(directory: string, fsid: string, access: ClusterAccess): Promise<string> {
  const file = path.join(directory, `ceph-${encodeURIComponent(fsid)}.conf`);
  const { monitors } = await byAddress(access);
  const lines = [
    '[global]',
    `fsid = ${fsid}`,
    `mon_host = ${monitors.join(',')}`,
    // The key comes through QMP; a keyring of the machine must not be taken in its place.
    'keyring = /dev/null',
    'log_file = /dev/null',
    'log_to_stderr = false',
    'admin_socket =',
    `client_mount_timeout = ${MOUNT_TIMEOUT_S}`,
    `rados_mon_op_timeout = ${MOUNT_TIMEOUT_S}`,
    `rados_osd_op_timeout = ${OSD_TIMEOUT_S}`,
  ];
  const text = `${lines.join('\n')}\n`;
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return file;
  const draft = `${file}.${process.pid}.${(drafts += 1)}`;
  await writeFile(draft, text, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, file);
  return file;
}
