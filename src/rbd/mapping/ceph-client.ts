/**
 * How the rbd and rbd-nbd programs are told whom to ask, as whom, and for how long: never with a key in their
 * arguments.
 */
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeDirectories } from '../../host/make-directories.js';
import type { Deadline } from '../../model/deadline.js';
import type { Secret } from '../../model/secret.js';
import type { ClusterAccess } from '../port.js';

/**
 * Ceph's own limits, s: otherwise a frozen OSD or monitor keeps these programs waiting for ever, before the kernel is
 * even asked.
 */
const LONGEST_SECONDS = 60;

/** Arguments for the cluster and the user; the node's /etc/ceph/ceph.conf, if there is one, has no say. */
export const clientArguments = (access: ClusterAccess, keyFile: string): readonly string[] => [
  ...['--conf', '/dev/null'],
  ...['--id', access.user],
  ...['-m', access.monitors.join(',')],
  ...['--keyfile', keyFile],
];

/** CEPH_ARGS that let Ceph give up by itself a little before the deadline, so that its error text still reaches us. */
export function cephTimeouts(deadline: Deadline): Readonly<Record<string, string>> {
  const seconds = connectSeconds(deadline);
  const options = ['client_mount_timeout', 'rados_mon_op_timeout', 'rados_osd_op_timeout'];
  return { CEPH_ARGS: options.map((option) => `--${option}=${seconds}`).join(' ') };
}

/**
 * CEPH_ARGS for a program that connects by the deadline and then serves a device for as long as that is mapped. Ceph's
 * limits on operations stay in force for its whole life, and each would become an I/O error of the device: so there is
 * none, or the one that was asked for. Until it serves, it is killed at the deadline.
 */
export function daemonTimeouts(deadline: Deadline, ioTimeoutSeconds: number): Readonly<Record<string, string>> {
  const options = [`--client_mount_timeout=${connectSeconds(deadline)}`];
  if (ioTimeoutSeconds > 0) options.push(`--rados_osd_op_timeout=${ioTimeoutSeconds}`);
  return { CEPH_ARGS: options.join(' ') };
}

const connectSeconds = (deadline: Deadline): number =>
  Math.min(LONGEST_SECONDS, Math.max(1, Math.floor(deadline.remaining() / 1000) - 1));

/**
 * Run `job` with the key in a 0600 file below `directory` (meant to be a tmpfs such as /run); the file is gone
 * afterwards.
 */
export async function withKeyFile<T>(directory: string, key: Secret, job: (file: string) => Promise<T>): Promise<T> {
  await makeDirectories(directory, 0o700);
  const file = path.join(directory, `key-${randomUUID()}`);
  try {
    // 'wx': a file or symlink that is there already is not ours to write a key into.
    await writeFile(file, key.reveal(), { mode: 0o600, flag: 'wx' });
    return await job(file);
  } finally {
    await rm(file, { force: true });
  }
}
